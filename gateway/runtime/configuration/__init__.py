"""Configuration in: files and API through one registry, planned whole, applied or refused."""
