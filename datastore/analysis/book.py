"""Which rules are in force: those of gateway.yaml, and those made over REST, which are kept in the data folder."""

import asyncio
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from datastore.analysis.engine import Analysis
from datastore.analysis.finding import conflicts
from datastore.analysis.loading import dumped, rule_of
from datastore.analysis.place import Surroundings
from datastore.analysis.refs import SERVICE
from datastore.analysis.room import TABLE
from datastore.analysis.settings import AnyRule, Score
from datastore.analysis.virtual import unfound, virtual_devices
from gateway.model.configuration import Configuration
from gateway.model.errors import ConfigError, Problem
from gateway.model.plan import PlannedDevice

FILE, REST = "gateway.yaml", "REST"

log = logging.getLogger(__name__)


class RuleBook:
    """The one place where rules come and go."""

    def __init__(self, given: Surroundings, engine: Analysis) -> None:
        self._given, self.engine = given, engine
        self._file: dict[str, AnyRule] = {}
        self._rest: dict[str, AnyRule] = {}
        self._aside: dict[str, tuple[Any, str]] = {}
        """Rules made over REST that cannot be in force, and why."""
        self._turn = asyncio.Lock()

    async def take(self, of_file: Iterable[AnyRule]) -> list[str]:
        """gateway.yaml was read: its rules are these, and those that were made over REST go on beside them. Gives the
        names of those that came, changed or went. Raises ConfigError; then nothing changed."""
        async with self._turn:
            before, self._file = self._file, {rule.name: rule for rule in of_file}
            kept, aside = self._kept(self._file)
            try:
                await self._apply(kept)
            except ConfigError:
                self._file = before
                raise
            for name, (_, why) in aside.items():
                if self._aside.get(name, ("", ""))[1] != why:
                    log.error("rule %s, made over REST, is not in force: %s", name, why)
            self._aside = aside
            return _changed(before, self._file)

    @property
    def of_file(self) -> list[AnyRule]:
        """Those of gateway.yaml."""
        return list(self._file.values())

    def would(self, of_file: Iterable[AnyRule]) -> "Would":
        """What `take` would do."""
        there = {rule.name: rule for rule in of_file}
        kept, aside = self._kept(there)
        refused = {name: why for name, (_, why) in aside.items()}
        return Would([*there.values(), *kept.values()], _changed(self._file, there), refused, self._folder)

    async def put(self, rule: AnyRule) -> bool:
        """A rule made over REST, or another in its place; true when it is new. Raises ConfigError (it stands in
        gateway.yaml, names nothing, or does not go together with others), StoreFailed; then nothing changed."""
        async with self._turn:
            self._refuse_in_file(rule.name)
            others = {name: one for name, one in self._rest.items() if name != rule.name}
            self._check(rule, others)
            await self._given.state.put(TABLE, {rule.name: dumped(rule)})
            new = rule.name not in self._rest
            try:
                await self._apply({**self._rest, rule.name: rule})
            except ConfigError:
                await self._forget(rule.name)
                raise
            self._aside.pop(rule.name, None)
            return new

    async def remove(self, name: str) -> None:
        """Of those made over REST. Raises ConfigError (it stands in gateway.yaml), StoreFailed."""
        async with self._turn:
            self._refuse_in_file(name)
            await self._given.state.remove(TABLE, [name])
            await self._apply({other: rule for other, rule in self._rest.items() if other != name})
            self._aside.pop(name, None)

    async def _forget(self, name: str) -> None:
        """What was kept of a rule that could not be put in force is what it was before."""
        before = self._rest.get(name)
        if before is None:
            await self._given.state.remove(TABLE, [name])
        else:
            await self._given.state.put(TABLE, {name: dumped(before)})

    def report(self) -> list[dict[str, Any]]:
        """Every rule with its state, for people."""
        of_file = [
            {"name": n, "from": FILE, "file": str(self._given.place), "rule": dumped(rule), **self.engine.report(n)}
            for n, rule in self._file.items()
        ]
        of_rest = [
            {"name": name, "from": REST, "file": "", "rule": dumped(rule), **self.engine.report(name)}
            for name, rule in self._rest.items()
        ]
        return [*of_file, *of_rest, *(_refused(name, *aside) for name, aside in self._aside.items())]

    @property
    def _folder(self) -> Path:
        """Of gateway.yaml."""
        return self._given.place.absolute().parent

    def _refuse_in_file(self, name: str) -> None:
        if name in self._file:
            raise ConfigError(f"rule {name} stands in {self._given.place}; change it there and send SIGHUP")

    def _check(self, rule: AnyRule, others: Mapping[str, AnyRule]) -> None:
        """Raises ConfigError."""
        if isinstance(rule, Score) and rule.call:
            raise ConfigError([Problem("call", "which Python code runs is said in gateway.yaml only")])
        all_ = [*self._file.values(), *others.values(), rule]
        wrong = [Problem("", what) for _, what in conflicts(all_)]
        planned = self._given.planned()
        wrong += unfound([rule], planned, self._folder)
        if wrong:
            raise ConfigError(wrong)

    def _kept(self, of_file: Mapping[str, AnyRule]) -> tuple[dict[str, AnyRule], dict[str, tuple[Any, str]]]:
        """Those made over REST that go together with gateway.yaml's, and the others, each with the reason."""
        found: dict[str, AnyRule] = {}
        aside: dict[str, tuple[Any, str]] = {}
        for name, body in self._given.state.all(TABLE).items():
            try:
                rule = rule_of(body)
            except ConfigError as error:
                aside[name] = body, str(error)
                continue
            wrong = conflicts([*of_file.values(), *found.values(), rule])
            if wrong:
                aside[name] = body, "; ".join(what for _, what in wrong)
            else:
                found[name] = rule
        return found, aside

    async def _apply(self, rest: dict[str, AnyRule]) -> None:
        rules = [*self._file.values(), *rest.values()]
        await self._given.make(virtual_devices(rules))
        self._rest = rest
        self.engine.put(rules)


@dataclass(frozen=True, slots=True)
class Would:
    """What rules would be, were gateway.yaml taken again."""

    rules: list[AnyRule]
    changed: list[str]
    """Names of those of gateway.yaml that would come, change or go."""
    refused: Mapping[str, str]
    """Made over REST, with the reason why they would not be in force."""
    folder: Path

    def makes(self) -> Configuration:
        """The virtual devices."""
        return virtual_devices(self.rules)

    def doubts(self, planned: Mapping[str, PlannedDevice]) -> list[Problem]:
        """Among these devices: warnings, since a gateway runs on without such a rule."""
        problems = [Problem(f"rule {name}, made over REST", why) for name, why in self.refused.items()]
        real = {name: one for name, one in planned.items() if one.connection.service != SERVICE}
        return [replace(one, severity="warning") for one in [*problems, *unfound(self.rules, real, self.folder)]]


def _changed(before: Mapping[str, AnyRule], after: Mapping[str, AnyRule]) -> list[str]:
    return [name for name in sorted({*before, *after}) if before.get(name) != after.get(name)]


def _refused(name: str, body: Any, why: str) -> dict[str, Any]:
    nothing = {"watched": 0, "raised": 0, "errors": 0, "watching": []}
    return {"name": name, "from": REST, "file": "", "rule": body, "state": "refused", "why": why, **nothing}
