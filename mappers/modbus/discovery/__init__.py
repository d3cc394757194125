"""Devices nobody has described yet: who answers where, what it is, what its values may be."""
