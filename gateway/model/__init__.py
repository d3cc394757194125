"""Words: types and contracts. Imports nothing of ours and does no I/O."""
