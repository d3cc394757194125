"""Models that look at windows of readings, each in a process of its own."""
