"""Syntax of POSIX extended regular expressions: text → tree."""

from collections.abc import Callable
from dataclasses import dataclass

MAX_REPEAT = 1000
"""In `{n,m}`, as Go has it."""
MAX_NESTED = 100

Test = Callable[[str], bool]

_CLASSES: dict[str, Test] = {
    "alnum": lambda c: c.isascii() and c.isalnum(),
    "alpha": lambda c: c.isascii() and c.isalpha(),
    "ascii": str.isascii,
    "blank": lambda c: c in " \t",
    "cntrl": lambda c: c < " " or c == "\x7f",
    "digit": lambda c: "0" <= c <= "9",
    "graph": lambda c: "!" <= c <= "~",
    "lower": lambda c: "a" <= c <= "z",
    "print": lambda c: " " <= c <= "~",
    "punct": lambda c: "!" <= c <= "~" and not c.isalnum(),
    "space": lambda c: c in " \t\n\v\f\r",
    "upper": lambda c: "A" <= c <= "Z",
    "word": lambda c: c.isascii() and (c.isalnum() or c == "_"),
    "xdigit": lambda c: c in "0123456789abcdefABCDEF",
}


class BadPattern(ValueError):
    """Not an expression, or one that is too large."""


@dataclass(frozen=True, slots=True)
class One:
    """One character that passes a test."""

    test: Test


@dataclass(frozen=True, slots=True)
class Edge:
    """`^` (start) or `$` (end)."""

    at_start: bool


@dataclass(frozen=True, slots=True)
class Row:
    parts: "tuple[Node, ...]"


@dataclass(frozen=True, slots=True)
class Choice:
    parts: "tuple[Node, ...]"


@dataclass(frozen=True, slots=True)
class Repeat:
    part: "Node"
    least: int
    most: int | None


Node = One | Edge | Row | Choice | Repeat
_REPEATS = {"*": (0, None), "+": (1, None), "?": (0, 1)}


class Parser:
    """Text → tree, by recursive descent."""

    def __init__(self, text: str) -> None:
        self._text, self._at, self._depth = text, 0, 0

    def parse(self) -> Node:
        """The whole text. Raises BadPattern."""
        found = self._choice()
        if self._at < len(self._text):
            raise BadPattern("a ) closes nothing")
        return found

    def _peek(self) -> str:
        return self._text[self._at : self._at + 1]

    def _take(self) -> str:
        self._at += 1
        return self._text[self._at - 1 : self._at]

    def _choice(self) -> Node:
        rows = [self._row()]
        while self._peek() == "|":
            self._take()
            rows.append(self._row())
        return rows[0] if len(rows) == 1 else Choice(tuple(rows))

    def _row(self) -> Node:
        parts = []
        while self._peek() not in ("", "|", ")"):
            parts.append(self._repeated(self._atom()))
        return Row(tuple(parts))

    def _repeated(self, part: Node) -> Node:
        # Go refuses `a**`, and so a nest of repeats needs a bracket per level.
        repeats = 0
        while (bounds := self._bounds()) is not None:
            repeats += 1
            if repeats > 1:
                raise BadPattern("two repeats stand side by side; put the inner one in brackets")
            part = Repeat(part, *bounds)
        return part

    def _bounds(self) -> tuple[int, int | None] | None:
        sign = self._peek()
        if sign in _REPEATS and sign:
            self._take()
            return _REPEATS[sign]
        end = self._text.find("}", self._at) if sign == "{" else -1
        least, comma, most = self._text[self._at + 1 : end].partition(",")
        if end < 0 or not _number(least) or (most and not _number(most)):
            return None
        self._at = end + 1
        bounds = int(least), int(most) if most else None if comma else int(least)
        if max(bounds[0], bounds[1] or 0) > MAX_REPEAT or (bounds[1] is not None and bounds[1] < bounds[0]):
            raise BadPattern(f"a repeat count must be 0 to {MAX_REPEAT}, the second not below the first")
        return bounds

    def _atom(self) -> Node:
        sign = self._take()
        match sign:
            case "(":
                return self._group()
            case "[":
                return One(self._set())
            case ".":
                return One(lambda c: c != "\n")
            case "^" | "$":
                return Edge(sign == "^")
            case "\\":
                return One(self._escaped().__eq__)
            case "*" | "+" | "?":
                raise BadPattern(f"{sign} repeats nothing")
        return One(sign.__eq__)

    def _group(self) -> Node:
        self._depth += 1
        if self._depth > MAX_NESTED:
            raise BadPattern(f"more than {MAX_NESTED} brackets inside one another")
        inner = self._choice()
        if self._take() != ")":
            raise BadPattern("a ( is not closed")
        self._depth -= 1
        return inner

    def _escaped(self) -> str:
        sign = self._take()
        if not sign or sign.isalnum():
            raise BadPattern(f"\\{sign} means nothing in a POSIX expression; write [0-9] for a digit")
        return sign

    def _set(self) -> Test:
        negated = self._peek() == "^"
        if negated:
            self._take()
        tests = [self._member()]
        while self._peek() != "]":
            tests.append(self._member())
        self._take()
        if negated:
            return lambda c: not any(test(c) for test in tests)
        return lambda c: any(test(c) for test in tests)

    def _member(self) -> Test:
        if self._text.startswith("[:", self._at):
            return self._class()
        low = self._character()
        if self._peek() != "-" or self._text[self._at + 1 : self._at + 2] in ("]", ""):
            return low.__eq__
        self._take()
        high = self._character()
        if high < low:
            raise BadPattern(f"the range {low}-{high} runs backwards")
        return lambda c: low <= c <= high

    def _class(self) -> Test:
        end = self._text.find(":]", self._at)
        name = self._text[self._at + 2 : end]
        negated = name.startswith("^")
        test = _CLASSES.get(name.removeprefix("^")) if end > 0 else None
        if test is None:
            raise BadPattern(f"there is no class [:{name[:20]}:]; there is {', '.join(_CLASSES)}")
        self._at = end + 2
        return (lambda c: not test(c)) if negated else test

    def _character(self) -> str:
        sign = self._take()
        if not sign:
            raise BadPattern("a [ is not closed")
        return self._escaped() if sign == "\\" else sign


def _number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 4
