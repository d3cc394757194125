"""Commands down: checked, recorded, written, read back; desired values reconciled."""
