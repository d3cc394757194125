"""Events are columns: some rows of one, and what partial ones say put in its place."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, TypeVar

from gateway.model.reading import Event

T = TypeVar("T")


def put(known: dict[int, T], which: tuple[int, ...], told: Mapping[int, T] | None) -> None:
    """What was `told`, by position, takes the place of what was `known`, by index, of the indexes `which`."""
    if known and len(told or ()) < len(which):
        for index in which:
            known.pop(index, None)
    if told:
        known.update({which[position]: one for position, one in told.items()})


def part(event: Event, positions: list[int]) -> Event:
    """Some of the values of an event."""
    which = tuple(positions) if event.which is None else tuple(event.which[position] for position in positions)
    return replace(
        event,
        values=[event.values[position] for position in positions],
        which=which,
        quality=_picked(event.quality, positions),
        times=_picked(event.times, positions),
    )


def _picked(by_position: Mapping[int, Any] | None, positions: list[int]) -> dict[int, Any] | None:
    found = {new: by_position[old] for new, old in enumerate(positions) if old in by_position} if by_position else {}
    return found or None
