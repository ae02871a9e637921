"""What a scan's files hold, read and written."""
