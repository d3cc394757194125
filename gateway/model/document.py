"""What a file says, before anybody asks what it means: a tree, and where in the file each part of it stands."""

import gc
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from gateway.model.errors import ConfigError, Problem

MAX_BYTES = 64 * 2**20
"""Bytes of a file that are still read."""
MAX_PROBLEMS = 500
"""Problems of one file that are still named."""


class YamlMap(dict[str, Any]):
    """A mapping with the line (1-based) it starts at and the line of each key, in the keys' order."""

    __slots__ = ("line", "lines")
    line: int
    lines: list[int]


class YamlList(list[Any]):
    """A list with the line (1-based) it starts at and the line of each item."""

    __slots__ = ("line", "lines")
    line: int
    lines: list[int]


@dataclass(frozen=True)
class Document:
    """What a file says, before anybody asked what it means."""

    value: Any
    """Of `YamlMap`, `YamlList`, `Plain`, `str` and None; from JSON: of dict, list and JSON's scalars."""
    file: str
    problems: list[Problem] = field(default_factory=list)
    """Wrong or doubtful whatever the file is for: duplicate keys, tags, further documents."""
    find_lines: Callable[[], Any] | None = None
    """For JSON: reads the text once more, with lines, when there is something to say about it."""

    @property
    def is_json(self) -> bool:
        return self.find_lines is not None

    @cached_property
    def _positions(self) -> Any:
        return self.find_lines() if self.find_lines else self.value

    def line(self, path: Sequence[int | str]) -> int:
        """The line of the key or item at `path`, or of the nearest thing around it; 0 when unknown."""
        node = self._positions
        line: int = getattr(node, "line", 0 if self.is_json else 1)
        for step in path:
            if isinstance(node, YamlMap):
                index = next((i for i, key in enumerate(node) if key == step), None)
            else:
                inside = isinstance(node, YamlList) and isinstance(step, int) and step < len(node)
                index = step if inside and isinstance(step, int) else None
            if index is None:
                break
            line = node.lines[index]
            node = node[step]
        return line

    def problem(self, path: Sequence[int | str], what: str, severity: str = "error") -> Problem:
        """A problem at a place of this document."""
        return Problem(key_path(path), what, self.file, self.line(path) if self.file else 0, severity)


def key_path(path: Sequence[int | str]) -> str:
    """`deviceResources[3].attributes.primaryTable`; what no UTF-8 can say is escaped, so that it can be shown."""
    whole = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path).removeprefix(".")
    return whole.encode(errors="backslashreplace").decode()


def utf8(text: str | bytes, file: str) -> bytes:
    """The text as UTF-8 bytes without a byte order mark. Raises ConfigError."""
    try:
        data = text.encode() if isinstance(text, str) else text
        data.decode()
    except UnicodeEncodeError as error:
        line = str(text).count("\n", 0, error.start) + 1
        raise ConfigError([Problem("", "text with half a surrogate pair is not UTF-8", file, line)]) from None
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        what = f"byte 0x{data[error.start]:02x} is not UTF-8; save the file as UTF-8"
        raise ConfigError([Problem("", what, file, line)]) from None
    if len(data) > MAX_BYTES:
        raise ConfigError([Problem("", f"{len(data):,} bytes; at most {MAX_BYTES:,} are read", file)])
    return data.removeprefix(b"\xef\xbb\xbf")


@contextmanager
def many_objects() -> Iterator[None]:
    """Holds the cyclic garbage collector while millions of objects are made that are all kept: it would look through
    them again and again, and find nothing."""
    held = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if held:
            gc.enable()
