"""A crowd for an hour: `python -m tests.soak --minutes 60`."""
