"""What answering makes."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

NewFile = Callable[[], Path]
"""A path for an answer that is not made in memory."""


@dataclass(slots=True)
class Found:
    """An answer: a body, or a file that holds it."""

    media: str
    body: bytes = b""
    path: Path | None = None
    rows: int = 0
    notes: Mapping[str, str] = field(default_factory=dict)
