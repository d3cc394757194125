"""The least that values can be read with, by trying every way to share them out among requests. Knows nothing of the
planner: slow, and right."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

Span = tuple[int, int]
"""First address of a value, and the one behind its last."""
Weight = Callable[[int], float]
"""Addresses that one request reads → what it costs."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What one request may be."""

    most: int
    """Addresses in it."""
    gap: int
    """Addresses in a row that nobody asked for."""
    begins: tuple[int, ...] = ()
    """Addresses that no request reaches from below: barriers of the profile, holes that the device has."""

    def allow(self, first: int, end: int, value: Span) -> bool:
        """Whether a request from `first` to `end` may take in a value that begins no earlier than all in it."""
        whole = max(end, value[1]) - first <= self.most
        return whole and value[0] - end <= self.gap and not any(first < b <= value[0] for b in self.begins)


def fewest(values: Sequence[Span], rules: Rules) -> int:
    """Requests that keep the rules."""
    return round(least(values, rules, lambda addresses: 1.0))


def least(values: Sequence[Span], rules: Rules, weight: Weight) -> float:
    """The sum of `weight` over the requests of the cheapest way that keeps the rules. `weight` does not fall with the
    addresses: so a way that is dearer already is not followed to its end."""
    items = sorted(set(values))
    best = float("inf")
    requests: list[Span] = []

    def share(index: int, cost: float) -> None:
        """Item `index` rides with every request that may take it in, or begins one."""
        nonlocal best
        if cost >= best:
            return
        if index == len(items):
            best = cost
            return
        item = items[index]
        for at, (first, end) in enumerate(requests):
            if rules.allow(first, end, item):
                requests[at] = first, max(end, item[1])
                share(index + 1, cost - weight(end - first) + weight(requests[at][1] - first))
                requests[at] = first, end
        requests.append(item)
        share(index + 1, cost + weight(item[1] - item[0]))
        requests.pop()

    share(0, 0.0)
    return best
