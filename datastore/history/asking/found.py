"""What answering makes."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from gateway.model.asking import MEDIA, Question, Records
from gateway.model.edgexjson import API_VERSION
from gateway.model.errors import QuestionRefused
from gateway.model.gojson import go_json

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


class Answerer(Protocol):
    """What a process that answers is made of."""

    BASE_BYTES: int
    """What the process needs besides what a question may take."""

    def answer(self, question: Question, seconds: float, fresh: NewFile) -> Found:
        """Broken off after so many seconds. Raises QuestionRefused; MemoryError; anything else is our own fault."""
        ...

    def close(self) -> None:
        """Lets go of the files."""
        ...


def edgex(**more: Any) -> Found:
    """EdgeX's body."""
    return Found(MEDIA["json"], go_json({"apiVersion": API_VERSION, "statusCode": 200, **more}) + b"\n")


def check_page(asked: Records, total: int) -> None:
    """Raises QuestionRefused(416) for a page that begins behind the end."""
    offset = asked.selection.offset
    if asked.selection.limit and total and offset > total:
        raise QuestionRefused(416, f"query objects bounds out of range. length:{total} offset:{offset}")
