"""POSIX extended regular expressions over whole names, as EdgeX takes them, without backtracking.

Leftmost-longest over a whole name asks only whether the whole name can be matched, so the expression becomes an
automaton whose time is linear in the name, whatever somebody writes into a request.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache

from gateway.runtime.regex.posix import BadPattern, Choice, Edge, Node, One, Parser, Repeat, Row, Test

MAX_LENGTH = 1000
"""Characters of an expression."""
MAX_STATES = 2_000
MAX_REMEMBERED = 20_000
"""Transitions kept; more are worked out anew."""
MAX_WORK = 500_000
"""States looked at for one expression, about half a second; honest ones need a few hundred."""

Matches = Callable[[str], bool]

_SPECIAL = frozenset("\\.[]{}()*+?^$|")


def is_plain(text: str) -> bool:
    """Nothing in it has a meaning of its own: it matches itself only."""
    return not _SPECIAL.intersection(text)


@lru_cache(maxsize=64)
def compile_pattern(pattern: str) -> Matches:
    """A function that says whether a whole name matches. Raises BadPattern."""
    if len(pattern) > MAX_LENGTH:
        raise BadPattern(f"the expression has {len(pattern)} characters; at most {MAX_LENGTH} are taken")
    return _Automaton(Parser(pattern).parse()).matches


@dataclass(slots=True, eq=False)
class _State:
    """Passes one character by `test`, or leads on without one (`^` only at the start, `$` only at the end)."""

    number: int
    test: Test | None = None
    edge: Edge | None = None
    next: list[int] = field(default_factory=list)


class _Automaton:
    """Thompson's construction, run on sets of states; transitions are remembered."""

    def __init__(self, tree: Node) -> None:
        self._states: list[_State] = []
        start, self._last = self._new(), self._new()
        self._join(start, tree, self._last)
        self._start = self._closure({start.number}, at_start=True)
        self._steps: dict[tuple[frozenset[int], str], frozenset[int]] = {}
        self._work = 0

    def matches(self, name: str) -> bool:
        """Whether the whole name matches."""
        here = self._start
        for character in name:
            key = (here, character)
            there = self._steps.get(key)
            if there is None:
                there = self._step(here, character)
                if len(self._steps) < MAX_REMEMBERED:
                    self._steps[key] = there
            if not there:
                return False
            here = there
        return self._last.number in self._closure(here, at_start=not name, at_end=True)

    def _new(self) -> _State:
        if len(self._states) >= MAX_STATES:
            raise BadPattern("the expression is too large; use smaller repeat counts")
        self._states.append(_State(len(self._states)))
        return self._states[-1]

    def _join(self, start: _State, node: Node, end: _State) -> None:
        match node:
            case One() | Edge():
                step = self._new()
                step.test, step.edge = (node.test, None) if isinstance(node, One) else (None, node)
                start.next.append(step.number)
                step.next.append(end.number)
            case Choice():
                for part in node.parts:
                    self._join(start, part, end)
            case Row():
                for part in node.parts:
                    start, before = self._new(), start
                    self._join(before, part, start)
                start.next.append(end.number)
            case Repeat():
                self._join_repeat(start, node, end)

    def _join_repeat(self, start: _State, node: Repeat, end: _State) -> None:
        for _ in range(node.least):
            start, before = self._new(), start
            self._join(before, node.part, start)
        if node.most is None:
            loop, back = self._new(), self._new()
            start.next.append(loop.number)
            self._join(loop, node.part, back)
            back.next.append(loop.number)
            loop.next.append(end.number)
            return
        for _ in range(node.most - node.least):
            start.next.append(end.number)
            start, before = self._new(), start
            self._join(before, node.part, start)
        start.next.append(end.number)

    def _step(self, here: frozenset[int], character: str) -> frozenset[int]:
        there = self._closure(set(self._passed(here, character)))
        self._work += len(here) + len(there)
        if self._work > MAX_WORK:
            raise BadPattern("the expression takes too long; use fewer repeats inside one another")
        return there

    def _passed(self, here: frozenset[int], character: str) -> Iterator[int]:
        for number in here:
            state = self._states[number]
            if state.test is not None and state.test(character):
                yield from state.next

    def _closure(
        self, some: "set[int] | frozenset[int]", at_start: bool = False, at_end: bool = False
    ) -> frozenset[int]:
        found, left = set(some), list(some)
        while left:
            state = self._states[left.pop()]
            if state.test is not None or (state.edge and not (at_start if state.edge.at_start else at_end)):
                continue
            fresh = [number for number in state.next if number not in found]
            found.update(fresh)
            left += fresh
        return frozenset(found)
