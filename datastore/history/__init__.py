"""History: what was read, for years, in Parquet files that DuckDB writes and reads; an extra (`southgate[history]`).

`catalog` says what lies where and stands for itself; `keeper` (a process of its own) takes from the journal, merges,
sums up and removes; whoever asks reads the catalog and the files it names. DuckDB and NumPy belong to the workers: the
gateway's own process imports only `catalog`, `history`, `outlook`, `process`, `rules`, `settings` and `spans`.
"""
