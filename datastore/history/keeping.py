"""Keep rules at work: which readings and messages of those that come are kept. In the worker only."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

import numpy as np
from numpy.typing import NDArray

from datastore.history.catalog import Catalog
from datastore.history.columns import Readings, Words
from datastore.history.settings import AroundRule, Deadband, KeepRule, While
from datastore.history.spans import Span
from datastore.history.whiles import Known, Whiles
from gateway.model.reading import Message

EVERYTHING, NOTHING, CHANGES, WHILE = range(4)
_Last = tuple[float, str | None, str | None]
"""Value, exact, quality."""
Remembered = tuple[Mapping[int, tuple[int, _Last]], Known]
"""What was kept last, by series, and what conditions know."""
Labels = Mapping[str, Sequence[str]]
"""By device: its labels and its profile's."""


@dataclass(slots=True)
class _Series:
    """What is done with each series, by its number."""

    how: NDArray[np.int8]
    band: NDArray[np.float64]
    """With CHANGES: a number must differ by more; 0: differ."""
    rule: NDArray[np.int16]
    """Number of its rule; -1: none."""
    device: list[str] = field(default_factory=list)


class Keeping:
    """The rules in force, and what was kept last of the series for which that counts."""

    def __init__(self, rules: Sequence[KeepRule], labels: Labels | None = None) -> None:
        self.rules = list(rules)
        self._labels = labels or {}
        self._last: dict[int, tuple[int, _Last]] = {}
        """By series: origin, and what was kept."""
        self.whiles = Whiles()
        self._series = _Series(np.zeros(1, np.int8), np.zeros(1), np.full(1, -1, np.int16))

    def change(self, rules: Sequence[KeepRule], labels: Labels, catalog: Catalog) -> None:
        """From now on these."""
        self.rules, self._labels = list(rules), labels
        self.learn(catalog)

    def learn(self, catalog: Catalog) -> None:
        """There are series that were not there before."""
        known = catalog.series()
        top = known[-1][0] + 1 if known else 1
        made = _Series(np.zeros(top, np.int8), np.zeros(top), np.full(top, -1, np.int16), [""] * top)
        self.whiles = Whiles(self.whiles)
        found: dict[tuple[str, str], int] = {}
        for series, device, source, _ in known:
            number = found.get((device, source))
            if number is None:
                number = found[device, source] = self._rule(device, source)
            made.device[series] = device
            made.rule[series] = number
            keep = self.rules[number].keep if number >= 0 else "everything"
            if keep == "nothing":
                made.how[series] = NOTHING
            elif keep == "on-change" or isinstance(keep, Deadband):
                made.how[series] = CHANGES
                made.band[series] = keep.deadband if isinstance(keep, Deadband) else 0
            elif isinstance(keep, While):
                made.how[series] = WHILE
                self.whiles.add(keep.while_, device, series)
        self.whiles.watch((series, device, resource) for series, device, _, resource in known)
        self._series = made

    def _rule(self, device: str, source: str | None) -> int:
        """The first that fits; -1: none. `source` None: of a message."""
        labels = self._labels.get(device, ())
        fitting = (number for number, rule in enumerate(self.rules) if rule.fits(device, source, labels))
        return next(fitting, -1)

    # ---------------------------------------------------------------------------------------------------- taking

    def remembered(self) -> Remembered:
        """What of the past decides on what comes."""
        return dict(self._last), self.whiles.remembered()

    def forget(self, before: Remembered) -> None:
        """What was learned since: a batch could not be written, and will come again."""
        self._last, values = dict(before[0]), before[1]
        self.whiles.forget(values)

    def readings(self, found: Readings, words: Words) -> Readings:
        """Those that are kept; in the order of the journal, as they come."""
        if not self.rules or not len(found):
            return found
        how = self._series.how[found.series]
        if not how.any():
            return found
        keep = how == EVERYTHING
        changing = np.flatnonzero(how == CHANGES)
        if len(changing):
            keep[changing] = self._changes(found.take(changing), words)
        self.whiles.heed(found, how == WHILE, words, keep)
        return found.take(keep)

    def _changes(self, found: Readings, words: Words) -> NDArray[np.bool_]:
        """Which differ from what was kept last of their series. What comes late, as from a device that remembers, lies
        between readings that may have been left out for what came before it: it is compared among itself only."""
        order = np.argsort(found.series, kind="stable")
        sorted_, band = found.take(order), self._series.band[found.series[order]]
        same = (
            (sorted_.series[1:] == sorted_.series[:-1])
            & ((sorted_.value[1:] == sorted_.value[:-1]) | (np.isnan(sorted_.value[1:]) & np.isnan(sorted_.value[:-1])))
            & (sorted_.exact[1:] == sorted_.exact[:-1])
            & (sorted_.quality[1:] == sorted_.quality[:-1])
            & (sorted_.origin[1:] >= sorted_.origin[:-1])
        )
        candidates = np.flatnonzero(np.concatenate(([True], ~same)))  # the same as the one before is never kept
        keep = np.zeros(len(found), np.bool_)
        ends = [*candidates[1:].tolist(), len(found)]
        columns = (sorted_.series, sorted_.origin, sorted_.value, sorted_.exact, sorted_.quality, band)
        for begin, end, series, came, value, exact, quality, least in zip(
            candidates.tolist(), ends, *[column[candidates].tolist() for column in columns], strict=True
        ):
            now = (value, words.all[exact], words.all[quality])
            then, before = self._last.get(series, (came, None))
            at = begin
            if came < then:
                keep[begin] = True
                at += int(np.searchsorted(sorted_.origin[begin:end], then))  # of the same, the first that is not late
            if at < end and (before is None or _differs(before, now, least)):
                self._last[series] = int(sorted_.origin[at]), now
                keep[at] = True
        back = np.empty_like(keep)
        back[order] = keep
        return back

    def messages(self, said: Iterable[Message]) -> list[Message]:
        if not self.rules:
            return list(said)
        return [message for message in said if self._keeps(message)]

    def _keeps(self, message: Message) -> bool:
        number = self._rule(message.device, None)
        wanted = self.rules[number].messages if number >= 0 else True
        return wanted if isinstance(wanted, bool) else message.kind in wanted

    # ---------------------------------------------------------------------------------------------------- merging

    @property
    def patience(self) -> int:
        """ns after the end of an hour that an alarm may still want something of it."""
        return max((rule.keep.around.before_ns for rule in self.rules if isinstance(rule.keep, AroundRule)), default=0)

    def limits(self, catalog: Catalog, within: Span) -> str:
        """SQL that is true for the rows of a span of time that are kept, of those that `readings` let through; empty:
        all are."""
        around = {n: rule.keep.around for n, rule in enumerate(self.rules) if isinstance(rule.keep, AroundRule)}
        if not around:
            return ""
        reach = max(max(one.before_ns, one.after_ns) for one in around.values())
        moments = catalog.moments(within[0] - reach, within[1] + reach)
        groups: dict[tuple[int, str], list[int]] = {}
        for series, number in enumerate(self._series.rule.tolist()):
            if number in around:
                device = self._series.device[series] if around[number].of == "device" else ""
                groups.setdefault((number, device), []).append(series)
        terms = []
        for (number, device), some in groups.items():
            one = around[number]
            windows = [
                f"origin BETWEEN {origin - one.before_ns} AND {origin + one.after_ns}"
                for origin, whose, name in moments
                if fnmatchcase(name, one.event) and (one.of == "any" or whose in ("", device))
            ]
            terms.append(f"(NOT ({_among(some)}) OR {' OR '.join(windows) or 'false'})")
        return " AND ".join(terms)


def _among(series: Sequence[int]) -> str:
    """SQL: one of these, which mostly follow each other."""
    spans: list[list[int]] = []
    for one in series:
        if spans and one == spans[-1][1] + 1:
            spans[-1][1] = one
        else:
            spans.append([one, one])
    return " OR ".join(f"series BETWEEN {first} AND {last}" for first, last in spans)


def _differs(before: _Last, now: _Last, band: float) -> bool:
    if before[1:] != now[1:]:
        return True
    old, new = before[0], now[0]
    if old != old or new != new:  # NaN: no value
        return (old == old) != (new == new)
    return abs(new - old) > band if band else old != new
