"""Simulated OPC UA servers, made of asyncua; loaded with the first device whose profile is for OPC UA."""
