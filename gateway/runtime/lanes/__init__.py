"""Connections and their owners: polls, commands, schedule, back-off, quarantine."""
