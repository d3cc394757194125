"""Keep rules in force: those made over REST, kept among the small facts, before those of gateway.yaml."""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from datastore.history.history import History, Wishes
from datastore.history.settings import KeepRule, While
from gateway.model.contracts import State
from gateway.model.device import AutoEvent, Retention
from gateway.model.duration import parse_duration
from gateway.model.near import nearest
from gateway.model.plan import PlannedDevice

TABLE = "keep"
_KEY = "rules"


@dataclass(frozen=True, slots=True)
class Standing:
    """A rule and where it stands."""

    name: str
    rule: KeepRule
    where: str
    """Empty: it was made over REST."""


class KeepRules:
    """Where rules come and go."""

    def __init__(self, state: State, of_file: Sequence[KeepRule]) -> None:
        """`of_file`: those of gateway.yaml."""
        self._state = state
        self._turn = asyncio.Lock()
        self._planned: Callable[[], Mapping[str, PlannedDevice]] = dict
        self._file = list(of_file)
        kept = state.get(TABLE, _KEY) or []
        self._made = {name: KeepRule.model_validate(rule) for name, rule in kept}

    def all(self) -> list[Standing]:
        """In the order in which they are tried."""
        made = [Standing(name, rule, "") for name, rule in self._made.items()]
        return made + [
            Standing(rule.name or f"keep-{at}", rule, f"gateway.yaml, history.keep[{at}]")
            for at, rule in enumerate(self._file)
        ]

    def in_force(self) -> list[KeepRule]:
        return [standing.rule for standing in self.all()]

    def keeps_all(self, planned: PlannedDevice, source: str) -> bool:
        """Whether every reading of this source is kept."""
        labels = [*planned.device.labels, *planned.profile.labels]
        rules = (rule for rule in self.in_force() if rule.fits(planned.device.name, source, labels))
        return next((rule.keep == "everything" for rule in rules), True)

    def decide_for(self, history: History, planned: Callable[[], Mapping[str, PlannedDevice]]) -> None:
        """From now on the history asks these rules, and the devices in force."""
        self._planned = planned
        history.wishes = lambda: wishes(self.in_force(), planned().values())

    def doubt(self, rule: KeepRule) -> str:
        """See `doubt`, with the devices in force."""
        return doubt(rule, self._planned().values())

    @property
    def of_file(self) -> Sequence[KeepRule]:
        """Those of gateway.yaml."""
        return self._file

    def take(self, of_file: Sequence[KeepRule]) -> None:
        """gateway.yaml says this now."""
        self._file = list(of_file)

    async def put(self, name: str, rule: KeepRule) -> bool:
        """A rule that is tried before all others but those made before it; whether it is new. Raises
        StoreFailed."""
        async with self._turn:
            new = name not in self._made
            await self._write({**self._made, name: rule.model_copy(update={"name": ""})})
            return new

    async def remove(self, name: str) -> bool:
        """Whether there was such a rule. Raises StoreFailed."""
        async with self._turn:
            if name not in self._made:
                return False
            await self._write({other: rule for other, rule in self._made.items() if other != name})
            return True

    async def _write(self, made: dict[str, KeepRule]) -> None:
        told = [[name, rule.model_dump(mode="json", by_alias=True)] for name, rule in made.items()]
        await self._state.put(TABLE, {_KEY: told})
        self._made = made


def wishes(rules: Sequence[KeepRule], planned: Iterable[PlannedDevice]) -> Wishes:
    """What the keeper is to know of rules and devices."""
    devices = list(planned)
    retained = [
        (device.device.name, source.name, *_retained(event))
        for device in devices
        for poll in device.polls
        for source, event in zip(poll.sources, poll.auto_events, strict=True)
        if event.retention not in (None, Retention())
    ]
    labels = {one.device.name: [*one.device.labels, *one.profile.labels] for one in devices}
    return Wishes(rules, labels if any(rule.label for rule in rules) else {}, retained)


def _retained(event: AutoEvent) -> tuple[int, int, int]:
    """maxCap, minCap and the duration in ns; EdgeX's own words for what is left out."""
    assert event.retention is not None
    told = event.retention
    return told.max_cap, told.min_cap, int(parse_duration(told.duration or "0") * 1e9)


def doubt(rule: KeepRule, planned: Iterable[PlannedDevice]) -> str:
    """Why a rule may not do what was meant; empty: nothing is odd. Devices may still come, so it is no error."""
    from datastore.history.conditions import Condition

    fits = [
        one
        for one in planned
        if fnmatchcase(one.device.name, rule.device)
        and (not rule.label or rule.label in (*one.device.labels, *one.profile.labels))
    ]
    if not fits:
        return "no device fits it"
    if not any(fnmatchcase(source.name, rule.source) for one in fits for poll in one.polls for source in poll.sources):
        return f"nothing that is read of {fits[0].device.name} fits its source {rule.source}"
    if isinstance(rule.keep, While):
        for one in fits:
            there = {name for poll in one.polls for source in poll.sources for name in source.names}
            for name in sorted(Condition(rule.keep.while_).names - there):
                near = nearest(name, there)
                meant = f"; did you mean {near}?" if near else ""
                return f"{name} is not read of {one.device.name}, so nothing of it is kept{meant}"
    return ""
