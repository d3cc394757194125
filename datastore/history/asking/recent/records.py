"""Answers to `Records`: EdgeX's pages of events and readings, counts and aggregates, out of the journal."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from datastore import query
from datastore.codec import PLAIN, plain_values, value_at
from datastore.history.asking.found import Found, check_page, edgex
from datastore.history.asking.recent.shelf import Shelf
from gateway.model.aggregate import Sums, aggregate_json
from gateway.model.asking import Records
from gateway.model.edgexjson import event_json, readings_json
from gateway.model.errors import QuestionRefused
from gateway.model.ids import mark
from gateway.model.profile import ValueType
from gateway.model.query import Selection
from gateway.model.reading import Event, Source

CHUNK = 1000
"""Events fetched in one go."""


def answer(shelf: Shelf, asked: Records) -> Found:
    """Raises QuestionRefused, Corrupt, sqlite3.Error."""
    if asked.aggregate:
        return edgex(aggregateFunc=asked.aggregate, readings=_aggregates(shelf, asked))
    if asked.mark:
        return _one(shelf, asked)
    picked = asked.selection
    if asked.kind == "events":
        found, total = shelf.events(replace(picked, limit=0) if asked.count else picked)
        shown = [event_json(one, asked.tags.get(one.source.device), numeric=asked.numeric) for one in found]
    else:
        total = query.count_readings(shelf.segments, shelf.sources.all(), shelf.wanted(picked), _names(asked))
        shown = [] if asked.count or picked.offset >= total else _readings(shelf, asked)
    if asked.count:
        return edgex(count=total)
    check_page(asked, total)
    return edgex(totalCount=total, **{asked.kind: shown})


def _one(shelf: Shelf, asked: Records) -> Found:
    for event in shelf.events(replace(asked.selection, limit=-1))[0]:
        if mark(event.source.device, event.source.name) == asked.mark:
            found = edgex(event=event_json(event, asked.tags.get(event.source.device), numeric=asked.numeric))
            found.notes = {"offset": str(event.offset)}
            return found
    raise QuestionRefused(404, "event not found")


def _names(asked: Records) -> frozenset[str] | None:
    """Of the resources whose readings are wanted; None: of all."""
    return frozenset(asked.only) or (frozenset({asked.selection.resource}) if asked.selection.resource else None)


def _readings(shelf: Shelf, asked: Records) -> list[dict[str, Any]]:
    """This page of them."""
    picked, only = asked.selection, _names(asked)
    found: list[dict[str, Any]] = []
    skip = picked.offset
    for event in _newest_first(shelf, picked):
        if len(found) >= picked.limit:
            break
        count = len(event.values) if only is None else sum(name in only for name in event.names())
        if count > skip:
            found.extend(list(readings_json(event, only, asked.numeric))[skip:])
        skip = max(0, skip - count)
    return found[: picked.limit]


def _newest_first(shelf: Shelf, selection: Selection) -> Iterator[Event]:
    offset = 0
    while True:
        events, _ = shelf.events(replace(selection, offset=offset, limit=CHUNK))
        yield from events
        if len(events) < CHUNK:
            return
        last = events[-1].origin
        # those of the same origin were seen already: in this chunk, and before it if it had no other origin
        offset = offset + len(events) if last == selection.end else sum(e.origin == last for e in events)
        selection = replace(selection, end=last)


# ----------------------------------------------------------------------------------------------------------- aggregate


def _aggregates(shelf: Shelf, asked: Records) -> list[dict[str, Any]]:
    """One number for each resource of each device; empty for what is no number."""
    picked, only = asked.selection, _names(asked)
    want = shelf.wanted(picked)
    named = shelf.named(want)
    sums = {one.number: [Sums() for _ in one.resources] for one in named}
    few = {one.number: [one.names.index(name) for name in sorted(only) if name in one.names] for one in named if only}
    waiting: dict[int, list[Sequence[Any]]] = {number: [] for number in sums}
    seen: set[int] = set()
    for row in query.rows(shelf.segments, want):
        _, number, _, body = row
        seen.add(number)
        if body[0] == PLAIN:
            places = few.get(number)
            waiting[number].append(plain_values(body) if places is None else [value_at(body, at) for at in places])
            if len(waiting[number]) >= CHUNK:
                _add(sums[number], waiting[number], places)
                waiting[number] = []
        elif (event := shelf.event(row)) is not None:
            _add_one(sums[number], event)
    for number, rows in waiting.items():
        _add(sums[number], rows, few.get(number))
    shown = _grouped([(shelf.sources.get(number), sums[number]) for number in sorted(seen)], only, asked.aggregate)
    return shown[picked.offset : picked.offset + picked.limit]


def _add(sums: Sequence[Sums], rows: Sequence[Sequence[Any]], places: Sequence[int] | None) -> None:
    """Of whole events, all good, the values at these places of their source; None: all."""
    for number, column in enumerate(zip(*rows, strict=True)):
        at = number if places is None else places[number]
        numbers = [one for one in column if type(one) in (int, float, bool) and math.isfinite(one)]
        if numbers:
            sums[at].add(Sums(len(numbers), sum(numbers), min(numbers), max(numbers)))


def _add_one(sums: Sequence[Sums], event: Event) -> None:
    for position, value in enumerate(event.values):
        at = position if event.which is None else event.which[position]
        quality = (event.quality or {}).get(position)
        if (quality is None or quality.level != "bad") and type(value) in (int, float, bool) and math.isfinite(value):
            sums[at].add(Sums(1, value, value, value))


def _grouped(
    told: Sequence[tuple[Source, Sequence[Sums]]], only: frozenset[str] | None, function: str
) -> list[dict[str, Any]]:
    found: dict[tuple[str, str, str], tuple[ValueType, Sums]] = {}
    for source, sums in told:
        for resource, one in zip(source.resources, sums, strict=True):
            if only is None or resource.name in only:
                who = source.device, resource.name, source.profile
                found.setdefault(who, (resource.properties.value_type, Sums()))[1].add(one)
    return [aggregate_json(who, *found[who], function) for who in sorted(found)]
