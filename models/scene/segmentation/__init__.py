"""Objects in raw scans: PointGroup's instances and VoteNet's boxes."""
