"""What is on a server, and a device profile of it. Reads only."""
