"""Generated sentences that a box can prove."""
