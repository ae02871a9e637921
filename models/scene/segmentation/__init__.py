"""Instance segmentation of raw scans."""
