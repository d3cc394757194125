"""JSON Lines → Parquet, in a process of its own: `python -m datastore.exporters.parquet FROM TO NAME=WORD…`."""

import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

TYPES = {"origin": "BIGINT", "time": "TIMESTAMP_NS", "historical": "BOOLEAN"}
"""Of columns that are not text, by their word."""
MEMORY = "256MB"


def convert(source: Path, target: Path, columns: Mapping[str, str]) -> None:
    """`columns`: name → word. A value is a number (a truth value 1 or 0), and where a number does not say all of it (a
    text, an object, a whole number beyond 2^53) also stands as text in `NAME_text`."""
    import duckdb

    read = ", ".join(f"{_text(name)}: 'VARCHAR'" for name in columns)
    shown = ", ".join(part for name, word in columns.items() for part in _shown(name, word))
    with duckdb.connect(config={"memory_limit": MEMORY, "threads": 1}) as db:
        db.execute(
            f"COPY (SELECT {shown} FROM read_json({_text(str(source))}, format='newline_delimited', "  # noqa: S608
            f"columns={{{read}}}, maximum_object_size=67108864)) TO {_text(str(target))} "
            "(FORMAT parquet, COMPRESSION zstd)"
        )
    with target.open("rb+") as file:
        os.fsync(file.fileno())


def _shown(name: str, word: str) -> Iterator[str]:
    column = '"' + name.replace('"', '""') + '"'
    if word != "value":
        yield f"{column}::{TYPES[word]} AS {column}" if word in TYPES else column
        return
    number = f"CASE {column} WHEN 'true' THEN 1.0 WHEN 'false' THEN 0.0 ELSE TRY_CAST({column} AS DOUBLE) END"
    yield f"{number} AS {column}"
    text = '"' + f"{name}_text".replace('"', '""') + '"'
    said = f"{number} IS NULL OR (abs({number}) > 9007199254740992 AND NOT contains({column}, '.'))"
    yield f"CASE WHEN {said} THEN {column} END AS {text}"


def _text(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


if __name__ == "__main__":
    named = [argument.partition("=") for argument in sys.argv[3:]]
    convert(Path(sys.argv[1]), Path(sys.argv[2]), {name: word for name, _, word in named})
