"""Wildcards on browse paths: which names may follow, so that what cannot match is never browsed. Pure.

`/Press/*/Speed`, `/**/Temperature`, `/2:Press/nsu=urn:acme;Axis?`: `*` stands for any part of one name, `?` for one
character, `**` for any number of names. A name without a namespace is of any. A path whose last name has no wildcard
stands for everything below it, too. `&` before `/`, `&`, `*` and `?` makes it a plain character (Part 4, A.2).
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from mappers.opcua.address import Namespace

Places = frozenset[tuple[int, int]]
"""How far each pattern has come: number of the pattern, names of it that are behind us."""


@dataclass(frozen=True, slots=True)
class Name:
    """One name of a pattern."""

    namespace: Namespace | None
    """None: any."""
    pattern: re.Pattern[str] | None
    """None: `**`."""
    literal: bool = False
    """Without a wildcard."""

    def fits(self, uri: str, index: int, name: str) -> bool:
        """Of a browse name, with its namespace's URI and index."""
        same = self.namespace is None or self.namespace == (uri if isinstance(self.namespace, str) else index)
        return same and self.pattern is not None and self.pattern.fullmatch(name) is not None


DEEP = Name(None, None)
_TOKEN = re.compile(r"&([/&*?])|([*?])|([^&*?/])", re.DOTALL)


def parse(text: str) -> tuple[Name, ...]:
    """Raises ValueError."""
    rest, names = text.strip(), list[Name]()
    while rest := rest.removeprefix("/"):
        name, rest = _name(rest, text)
        names.append(name)
    for start in ("Root", "Objects"):
        if names and names[0].literal and names[0].fits("", 0, start):
            names.pop(0)
    return (*names, DEEP) if not names or names[-1].literal else tuple(names)


def _name(rest: str, text: str) -> tuple[Name, str]:
    namespace: Namespace | None = None
    if rest.startswith("nsu="):
        uri, mark, rest = rest.removeprefix("nsu=").partition(";")
        if not mark or not uri:
            raise ValueError(f"nsu= wants a namespace URI that ends with a semicolon, in {text!r}")
        namespace = uri
    elif index := re.match(r"(\d{1,5}):", rest):
        namespace, rest = int(index[1]), rest[index.end() :]
    if namespace is None and re.match(r"\*\*(/|$)", rest):
        return DEEP, rest[2:]
    pattern, at, literal = "", 0, True
    while token := _TOKEN.match(rest, at):
        escaped, wild, plain = token.groups()
        literal = literal and not wild
        pattern += (".*" if wild == "*" else ".") if wild else re.escape(escaped or plain)
        at = token.end()
    if not pattern or (at < len(rest) and rest[at] != "/"):
        raise ValueError(f"a name is empty, or an & stands alone (&& is one), in {text!r}")
    return Name(namespace, re.compile(pattern, re.DOTALL), literal), rest[at:]


class Globs:
    """Several patterns at once; none at all: everything."""

    def __init__(self, texts: Sequence[str] = ()) -> None:
        """Raises ValueError."""
        self._patterns = [parse(text) for text in texts] or [(DEEP,)]
        self.start = self._settled((number, 0) for number in range(len(self._patterns)))
        """Where all of them are at the start of a path."""

    def step(self, places: Places, uri: str, index: int, name: str) -> Places:
        """Where they are one name further down; empty: nothing from here on can match."""
        found = []
        for number, at in places:
            pattern = self._patterns[number]
            if at < len(pattern) and pattern[at] is DEEP:
                found.append((number, at))
            elif at < len(pattern) and pattern[at].fits(uri, index, name):
                found.append((number, at + 1))
        return self._settled(found)

    def matches(self, places: Places) -> bool:
        """The path that led here is one of those wanted."""
        return any(at == len(self._patterns[number]) for number, at in places)

    def further(self, places: Places) -> bool:
        """Something below may be wanted."""
        return any(at < len(self._patterns[number]) for number, at in places)

    def named(self, places: Places, uri: str, index: int, name: str) -> bool:
        """A pattern says this name itself, without a wildcard."""
        return any(
            at < len(pattern := self._patterns[number]) and pattern[at].literal and pattern[at].fits(uri, index, name)
            for number, at in places
        )

    def _settled(self, places: Iterable[tuple[int, int]]) -> Places:
        """With what `**` reaches by standing for no name."""
        found = set[tuple[int, int]]()
        for number, at in places:
            last = at
            while last < len(self._patterns[number]) and self._patterns[number][last] is DEEP:
                last += 1
            found.update((number, between) for between in range(at, last + 1))
        return frozenset(found)
