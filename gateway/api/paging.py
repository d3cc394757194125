"""`offset`, `limit` and `labels` as EdgeX counts them."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated, Protocol, TypeVar

from fastapi import Depends, Query

from gateway.api.envelope import MAX_RESULTS, EdgexError

MAX_OFFSET = 2**31 - 1
_INTEGER = re.compile(r"[+-]?[0-9]+")
"""As Go reads it: no blanks, no `1_0`, no digits of other scripts."""


class Labelled(Protocol):
    @property
    def labels(self) -> list[str]: ...


T = TypeVar("T")
L = TypeVar("L", bound=Labelled)


@dataclass(frozen=True, slots=True)
class Page:
    """What part of a list is asked for."""

    offset: int
    limit: int
    """At most MAX_RESULTS; 0: nothing but the total."""

    def check(self, total: int) -> None:
        """Raises EdgexError(416) when the page begins behind the end."""
        if self.limit and total and self.offset > total:
            raise EdgexError(416, f"query objects bounds out of range. length:{total} offset:{self.offset}")

    def of(self, items: Sequence[T]) -> Sequence[T]:
        """This page of a whole list. Raises EdgexError(416)."""
        self.check(len(items))
        return items[self.offset : self.offset + self.limit]


def page_of(offset: str, limit: str) -> Page:
    """Raises EdgexError(400) with EdgeX's words."""
    begin = _number("offset", offset, 0, MAX_OFFSET)
    count = _number("limit", limit, -1, MAX_RESULTS)
    return Page(begin, MAX_RESULTS if count == -1 else count)


def _number(key: str, text: str, low: int, high: int) -> int:
    if not _INTEGER.fullmatch(text):
        raise EdgexError(400, f"failed to parse querystring {key}'s value {text} into integer")
    value = int(text) if len(text) <= 20 else high + 1
    if not low <= value <= high:
        raise EdgexError(400, f"querystring {key}'s value {text} is out of min {low} ~ max {high} range.")
    return value


def _page(
    offset: Annotated[str, Query(description="How many to leave out at the beginning")] = "0",
    limit: Annotated[str, Query(description=f"How many to give; -1: as many as allowed, {MAX_RESULTS}")] = "20",
) -> Page:
    return page_of(offset, limit)


Paged = Annotated[Page, Depends(_page)]
Labels = Annotated[str, Query(description="Comma-separated; all must match")]


def labelled(items: Iterable[L], labels: str) -> list[L]:
    """Those that have every one of the comma-separated labels."""
    wanted = {label.strip() for label in labels.split(",") if label.strip()}
    return [item for item in items if wanted <= set(item.labels)]


def when(text: str, key: str) -> int:
    """A time (or a span) of the path in ns. Raises EdgexError(400)."""
    if not (text.isascii() and text.isdigit() and int(text[:20]) < 2**63 and len(text) < 20):
        raise EdgexError(400, f"{key} must be a whole number of nanoseconds, not {text}")
    return int(text)
