"""Motion: moves readings up, commands down, configuration in. Knows the contracts; no protocol, no cloud, no disk
except the configuration files that the registry writes."""
