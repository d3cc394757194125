"""Where records go besides the cloud: each kind of exporter is one module, imported only when it is configured.

An exporter encodes, sends and says what became of it; it never retries or waits by itself (the forwarder does). What
blocks runs in threads of its own (`threads`), one for live values and one for what waited.
"""
