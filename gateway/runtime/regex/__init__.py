"""POSIX regular expressions over names, without backtracking."""
