"""What exporters have in common: which records, under which names, in which shape. Pure."""
