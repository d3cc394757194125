"""Values of OPC UA and ours: `values` and `natural` on the way up, `variants` on the way down, `structure` for what the
server's own types say, `learn` for asking the server what they are."""
