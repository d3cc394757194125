"""Answers to `Records`: EdgeX's pages of events and readings, counts and aggregates, as EdgeX's body."""

from collections.abc import Sequence
from typing import Any

import duckdb
import numpy as np

from datastore.history.asking import forms
from datastore.history.asking.archive import TAIL, Archive, Series
from datastore.history.asking.buckets import pieces
from datastore.history.asking.found import Found, check_page, edgex
from datastore.history.asking.rebuild import events, told_in
from datastore.history.catalog import File
from datastore.history.spans import HOUR, SECOND
from gateway.model.aggregate import Sums, aggregate_json
from gateway.model.asking import Records
from gateway.model.edgexjson import event_json, readings_json
from gateway.model.errors import QuestionRefused
from gateway.model.ids import mark
from gateway.model.profile import ValueType
from gateway.model.reading import Event

FEW = 5_000_000
"""Rows among which events are counted one by one; beyond, hours tell."""
ROWS_AN_EVENT = 100
"""As a first guess how far back a page reaches."""
NEVER = 2**62
_AT = "coalesce(event, origin)"


def answer(con: duckdb.DuckDBPyConnection, archive: Archive, asked: Records) -> Found:
    """Raises QuestionRefused, duckdb.Error."""
    question = _Question(con, archive, asked)
    if asked.aggregate:
        return edgex(aggregateFunc=asked.aggregate, readings=question.aggregates())
    if asked.mark:
        event = question.one()
        found = edgex(event=event_json(event, asked.tags.get(event.source.device), numeric=asked.numeric))
        found.notes = {"offset": str(event.offset)}
        return found
    total, exact = question.total()
    if asked.count:
        return edgex(count=total)
    if exact:
        check_page(asked, total)
    return edgex(totalCount=total, **{asked.kind: question.page() if asked.selection.limit else []})


class _Question:
    """One of them, with what it is about."""

    def __init__(self, con: duckdb.DuckDBPyConnection, archive: Archive, asked: Records) -> None:
        picked = asked.selection
        self._con = con
        self._archive = archive
        self._asked = asked
        self._picked = picked
        self._series: list[Series] | None = None
        if picked.device or picked.source or picked.resource or asked.only:
            found = archive.series(picked.device, picked.resource, picked.source)
            self._series = [one for one in found if not asked.only or one.resource in asked.only]
        numbers = None if self._series is None else [one.series for one in self._series]
        found_files = [] if numbers == [] else archive.snapshot.of("raw", series=numbers)
        self._files = told_in(found_files, picked.start, picked.end)
        archive.tail(con, self._series)

    # ----------------------------------------------------------------------------------------------------- count

    def total(self) -> tuple[int, bool]:
        """How many there are, and whether that is so: of events among very many readings it is only the least."""
        if self._series == []:
            return 0, True
        if self._asked.kind == "readings":
            return self._readings(), True
        if self._expected(self._files) <= FEW:
            rows = self._rows(self._picked.start, self._picked.end)
            return forms.number(self._con, f'SELECT count(DISTINCT "offset") FROM ({rows})'), True
        return self._least(), False

    def _readings(self) -> int:
        """Whole files are not opened for it."""
        unbounded = self._picked.start <= 0 and self._picked.end >= NEVER
        if self._series is not None or not unbounded or any(map(self._archive.snapshot.hidden, self._files)):
            rows = self._rows(self._picked.start, self._picked.end)
            return forms.number(self._con, f"SELECT count(*) FROM ({rows})")
        return sum(file.rows for file in self._files) + forms.number(self._con, f"SELECT count(*) FROM {TAIL}")

    def _expected(self, files: Sequence[File]) -> float:
        """About how many rows there are of these series."""
        if self._series is None:
            return sum(file.rows for file in files)
        numbers = [one.series for one in self._series]
        return sum(
            file.rows
            * sum(file.first_series <= one <= file.last_series for one in numbers)
            / (file.last_series - file.first_series + 1)
            for file in files
        )

    def _least(self) -> int:
        """Of each source and hour, as many events as its busiest resource has readings."""
        start, end = max(self._picked.start, 0), min(self._picked.end, NEVER) + 1
        rows, _ = pieces(self._archive, self._series, max(start, self._archive.since("raw")), end, HOUR)
        owners = {one.series: one.number for one in self._series or self._archive.series()}
        numbers = np.array(list(owners.values()), np.int64)
        self._con.register("owners", {"series": np.array(list(owners), np.int64), "number": numbers})
        hours = f"SELECT series, origin // {HOUR} AS hour, sum(n) AS n FROM ({rows}) GROUP BY ALL"
        busiest = f"SELECT max(n) AS n FROM ({hours}) JOIN owners USING (series) GROUP BY number, hour"
        return forms.number(self._con, f"SELECT sum(n) FROM ({busiest})")

    def _rows(self, start: int, end: int, where: str = "") -> str:
        """SQL for the rows of the events from `start` to `end`, both included. Readings have their event's origin, but
        for a few that say so: those may lie in another file."""
        where = where or self._wanted
        own = [file for file in self._files if file.oldest <= end and file.newest >= start]
        near = told_in(self._files, start, end)
        between = f"BETWEEN {start} AND {end} AND {where}"
        usual = self._archive.rows("raw", own, f"event IS NULL AND origin {between}")
        others = self._archive.rows("raw", near, f"event {between}")
        return f"{usual} UNION ALL {others} UNION ALL SELECT * FROM {TAIL} WHERE {_AT} {between}"

    @property
    def _wanted(self) -> str:
        """SQL that is true for the series asked for."""
        if self._series is None:
            return "true"
        return f"series IN ({', '.join(str(one.series) for one in self._series)})"

    # ------------------------------------------------------------------------------------------------------ page

    def page(self) -> list[dict[str, Any]]:
        """The newest first."""
        picked, of_events = self._picked, self._asked.kind == "events"
        keys, skip = self._keys(picked.offset, picked.limit, of_events)
        found = events(self._con, self._archive, self._rows, keys)
        if of_events:
            tags = self._asked.tags
            return [event_json(one, tags.get(one.source.device), numeric=self._asked.numeric) for one in found]
        only = frozenset(self._asked.only) or (frozenset({picked.resource}) if picked.resource else None)
        shown = [one for event in found for one in readings_json(event, only, self._asked.numeric)]
        return shown[skip : skip + picked.limit]

    def _keys(self, offset: int, limit: int, of_events: bool) -> tuple[list[tuple[int, int, int]], int]:
        """Offset, origin and a series of the events of a page, in order; and how many readings of the first do not
        belong to it."""
        found: list[tuple[int, int, int]] = []
        passed = skip = 0
        for number, origin, series, count in self._newest(offset + limit, of_events):
            weight = 1 if of_events else count
            if passed + weight > offset:
                skip = skip if found else offset - passed
                found.append((number, origin, series))
            passed += weight
            if passed >= offset + limit:
                break
        return found, skip

    def _newest(self, need: int, of_events: bool) -> list[tuple[int, int, int, int]]:
        """Keys of at least so many, if there are, the newest first. Looks back in steps that grow."""
        if self._series == []:
            return []
        found: list[tuple[int, int, int, int]] = []
        low, high, width = self._picked.start, self._picked.end, self._guess(need)
        while need > 0 and (newest := self._edge(high)) is not None:
            start = max(low, newest - width)
            keys = f'SELECT "offset", {_AT} AS made, min(series), count(*) FROM ({self._rows(start, high)})'
            page = self._con.execute(f'{keys} GROUP BY ALL ORDER BY made DESC, "offset" DESC LIMIT {need}').fetchall()
            found += page
            need -= len(page) if of_events else sum(row[3] for row in page)
            high, width = start - 1, width * 8
        return found

    def _edge(self, high: int) -> int | None:
        """Where to look back from for what is not above `high`; None: there is nothing more."""
        if high < self._picked.start:
            return None
        edges = [min(file.last_event, high) for file in self._files if file.first_event <= high]
        last = self._con.execute(f"SELECT max({_AT}) FROM {TAIL} WHERE {_AT} <= {high}").fetchall()[0][0]
        return max([*edges, *([last] if last is not None else [])], default=None)

    def _guess(self, need: int) -> int:
        """ns that so many probably take."""
        newest = max(self._files, key=lambda file: file.newest, default=None)
        if newest is None:
            return NEVER
        span = newest.newest - newest.oldest + SECOND
        return int(need * ROWS_AN_EVENT * span / max(self._expected([newest]), 1)) + SECOND

    # ------------------------------------------------------------------------------------------------ one, aggregate

    def one(self) -> Event:
        """The event of an id. Raises QuestionRefused(404)."""
        keys, _ = self._keys(0, 1000, True)
        for event in events(self._con, self._archive, self._rows, keys):
            if mark(event.source.device, event.source.name) == self._asked.mark:
                return event
        raise QuestionRefused(404, "event not found")

    def aggregates(self) -> list[dict[str, Any]]:
        """One number for each resource of each device; empty for what is no number."""
        if self._series == []:
            return []
        start, end = max(self._picked.start, 0), min(self._picked.end, NEVER) + 1
        rows, _ = pieces(self._archive, self._series, max(start, self._archive.since("raw")), end, HOUR)
        sums = "sum(weight)::BIGINT, sum(total), min(low), max(high)"
        told = self._con.execute(f"SELECT series, {sums} FROM ({rows}) GROUP BY series").fetchall()
        owners = {one.series: one for one in self._series or self._archive.series()}
        groups: dict[tuple[str, str, str], tuple[ValueType, Sums]] = {}
        for series, *parts in told:
            one = owners[series]
            who = one.device, one.resource, one.profile
            groups.setdefault(who, (ValueType(one.value_type), Sums()))[1].add(Sums(*parts))
        shown = [aggregate_json(who, *group, self._asked.aggregate) for who, group in sorted(groups.items(), key=_who)]
        return shown[self._picked.offset : self._picked.offset + self._picked.limit]


def _who(group: tuple[tuple[str, str, str], Any]) -> tuple[str, str, str]:
    return group[0]
