"""Cursors against the plainest model there is: a set of offsets."""

from itertools import pairwise

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from datastore.ranges import FOREVER, Unacknowledged

TOP = 60


class Cursor(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.ranges = Unacknowledged()
        self.pending = set(range(1, TOP + 1))
        self.head = 0

    @rule(count=st.integers(0, 10))
    def append(self, count: int) -> None:
        self.head = min(TOP, self.head + count)

    @rule(first=st.integers(1, TOP), length=st.integers(0, 12))
    def ack(self, first: int, length: int) -> None:
        last = min(first + length, TOP)
        self.ranges.remove(first, last)
        self.pending -= set(range(first, last + 1))

    @rule()
    def restart(self) -> None:
        self.ranges = Unacknowledged([tuple(one) for one in self.ranges.ranges])  # type: ignore[misc]

    @invariant()
    def pending_is_what_was_not_acknowledged(self) -> None:
        found = [n for first, last in self.ranges.upto(self.head) for n in range(first, last + 1)]
        assert found == sorted(n for n in self.pending if n <= self.head)

    @invariant()
    def ranges_are_few_and_sorted(self) -> None:
        ranges = self.ranges.ranges
        assert ranges[-1][1] == FOREVER
        assert all(first <= last for first, last in ranges)
        assert all(left[1] + 1 < right[0] for left, right in pairwise(ranges))

    @invariant()
    def counts(self) -> None:
        assert self.ranges.count(1, TOP) == len(self.pending)
        assert self.ranges.count(10, 20) == len(self.pending & set(range(10, 21)))
        assert (15 in self.ranges) == (15 in self.pending)


TestCursor = Cursor.TestCase
TestCursor.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
