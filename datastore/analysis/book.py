"""Which rules are in force: those of gateway.yaml, and those made over REST, which are kept in the data folder."""

import asyncio
import logging
from collections.abc import Iterable, Mapping
from typing import Any

from datastore.analysis.engine import Analysis
from datastore.analysis.finding import conflicts
from datastore.analysis.loading import dumped, rule_of
from datastore.analysis.place import Surroundings
from datastore.analysis.room import TABLE
from datastore.analysis.settings import AnyRule, Score
from datastore.analysis.virtual import unfound, virtual_devices
from gateway.model.errors import ConfigError, Problem

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
            try:
                await self._apply(self._kept())
            except ConfigError:
                self._file = before
                raise
            names = sorted({*before, *self._file})
            return [name for name in names if before.get(name) != self._file.get(name)]

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
        wrong += unfound([rule], planned)
        if wrong:
            raise ConfigError(wrong)

    def _kept(self) -> dict[str, AnyRule]:
        """Those made over REST that go together with gateway.yaml's; the others are put aside, visibly."""
        kept = self._given.state.all(TABLE)
        self._aside.clear()
        if not kept:
            return {}
        found: dict[str, AnyRule] = {}
        for name, body in kept.items():
            try:
                rule = rule_of(body)
            except ConfigError as error:
                self._put_aside(name, body, str(error))
                continue
            wrong = conflicts([*self._file.values(), *found.values(), rule])
            if wrong:
                self._put_aside(name, body, "; ".join(what for _, what in wrong))
            else:
                found[name] = rule
        return found

    def _put_aside(self, name: str, body: Any, why: str) -> None:
        log.error("rule %s, made over REST, is not in force: %s", name, why)
        self._aside[name] = body, why

    async def _apply(self, rest: dict[str, AnyRule]) -> None:
        rules = [*self._file.values(), *rest.values()]
        await self._given.make(virtual_devices(rules))
        self._rest = rest
        self.engine.put(rules)


def _refused(name: str, body: Any, why: str) -> dict[str, Any]:
    nothing = {"watched": 0, "raised": 0, "errors": 0, "watching": []}
    return {"name": name, "from": REST, "file": "", "rule": body, "state": "refused", "why": why, **nothing}
