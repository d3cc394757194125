"""The corpus: one text file per target, one input per line in hex, the shortest first."""

from collections.abc import Iterable
from pathlib import Path

FOLDER = Path(__file__).with_name("corpus")


def load(target: str) -> list[bytes]:
    """Nothing where there is no file yet."""
    file = FOLDER / f"{target}.txt"
    return [bytes.fromhex(line) for line in file.read_text().splitlines()] if file.exists() else []


def save(target: str, inputs: Iterable[bytes]) -> None:
    lines = [data.hex() for data in sorted(set(inputs), key=lambda data: (len(data), data))]
    (FOLDER / f"{target}.txt").write_text("\n".join(lines) + "\n")
