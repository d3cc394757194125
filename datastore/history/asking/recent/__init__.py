"""What only the journal has, answered without DuckDB and NumPy."""
