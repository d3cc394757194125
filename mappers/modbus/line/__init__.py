"""The wire and everything about what goes over it: frames, serial ports, what was heard."""
