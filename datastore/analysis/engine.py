"""Rules over the live stream: a tap of the bus that only the sources which rules name cost anything.

Readings are taken at the times of their events; delays and missing values go by the clock. What rules make leaves in
the next turn of the loop through the one `Publish`, and comes back to whatever reads it.
"""

import asyncio
import logging
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from datastore.analysis.around import Around, Input, Timers
from datastore.analysis.finding import NotFound, Planned, find, watched
from datastore.analysis.kinds import running_rule
from datastore.analysis.place import Surroundings
from datastore.analysis.refs import SERVICE, Ref
from datastore.analysis.running import Running
from datastore.analysis.settings import AnyRule, Missing
from gateway.model.alarm import OWN, RuleName
from gateway.model.errors import StoreFailed
from gateway.model.reading import GOOD, NAN, Batch, Event, Quality, Source

MEMORY = "rule-memory"
"""Table of what rules must know after a restart, by rule and what it watches."""
SAVE_S = 30.0
LOOK_S = 1.0
"""So often it is looked whether devices came or went, when no reading says so."""
SHOWN = 100
"""Of what one rule watches, so many are in its report."""
MOST_SOURCES = 4096

log = logging.getLogger(__name__)

_Ports = tuple[tuple[Running, str], ...]
_Wires = tuple[tuple[int, _Ports], ...]


class Analysis:
    """The rules in force. `tap` is for the bus; nothing is evaluated before `start`."""

    def __init__(self, given: Surroundings) -> None:
        self._given = given
        self._timers = Timers(given.clock)
        self._around = Around(
            given.clock, given.alarms, self._emit, self._timers, given.place.absolute().parent, given.data
        )
        self._rules: dict[str, AnyRule] = {}
        self._idle: dict[str, str] = {}
        """Rules that have nothing to read, and why."""
        self._running: dict[tuple[str, Ref], Running] = {}
        self._of: dict[str, list[Running]] = {}
        """The same by rule."""
        self._wires: dict[str, dict[str, list[tuple[Running, str]]]] = {}
        """Per device and resource, who reads it."""
        self._known: dict[Source, _Wires] = {}
        self._seen: Planned | None = None
        self._started = False
        self._out: list[tuple[Ref, Any, int, Quality]] = []
        self._woken: asyncio.Event | None = None
        self._saved: dict[str, Any] = {}
        self._ending: list[Running] = []
        """Not in force any more, and perhaps not quite over."""

    # ------------------------------------------------------------------------------------------------------- its life

    def start(self) -> None:
        """The devices are in force: rules watch from now on."""
        self._started = True
        self._bind()

    def put(self, rules: Iterable[AnyRule]) -> None:
        """These rules are in force from now on; equal ones go on as they were."""
        self._rules = {rule.name: rule for rule in rules}
        if self._started:
            self._bind()

    async def run(self) -> None:
        """Calls what is due; keeps what must outlive a restart. Until cancelled."""
        self._woken = asyncio.Event()
        self._timers.poke = self._woken.set
        clock, saved = self._given.clock, self._given.clock.monotonic()
        try:
            while True:
                due = self._timers.due()
                with suppress(TimeoutError):
                    async with clock.timeout(LOOK_S if due is None else min(due, LOOK_S)):
                        await self._woken.wait()
                self._woken.clear()
                if self._started and self._given.planned() is not self._seen:
                    self._bind()
                self._timers.fire()
                if clock.monotonic() - saved >= SAVE_S:
                    saved = clock.monotonic()
                    await self.save()
        finally:
            self._timers.poke = lambda: None

    async def save(self) -> None:
        """What rules must know after a restart, to disk; what the disk refuses is tried again."""
        now = {_key(*key): memory for key, one in self._running.items() if (memory := one.memory()) is not None}
        changed = {key: memory for key, memory in now.items() if self._saved.get(key) != memory}
        with suppress(StoreFailed):  # the journal raises the alarm about the disk
            if changed:
                await self._given.state.put(MEMORY, changed)
                self._saved.update(changed)
            gone = [key for key in self._given.state.all(MEMORY) if key.split("\n")[0] not in self._rules]
            if gone:
                await self._given.state.remove(MEMORY, gone)

    async def close(self) -> None:
        """Keeps what must outlive a restart; ends whatever runs beside the loop."""
        await self.save()
        for one in self._running.values():
            one.end()
        await asyncio.gather(*(one.closed() for one in (*self._running.values(), *self._ending)))

    # -------------------------------------------------------------------------------------------------------- the tap

    def tap(self, batch: Batch) -> None:
        """Every batch of the bus. What is historical is no news."""
        if not self._started:
            return
        if self._given.planned() is not self._seen:
            self._bind()
        wires = self._wires
        if not wires:
            return
        for record in batch:
            if type(record) is Event and record.source.device in wires and not record.historical:
                known = self._known.get(record.source)
                if known is None:
                    known = self._wire(record.source)
                if known:
                    _feed(record, known)

    def _wire(self, source: Source) -> _Wires:
        if len(self._known) >= MOST_SOURCES:  # throw-away sources of reads
            self._known.clear()
        readers = self._wires[source.device]
        found = tuple((index, tuple(readers[name])) for index, name in enumerate(source.names) if name in readers)
        self._known[source] = found
        return found

    # --------------------------------------------------------------------------------------------------- what is made

    def _emit(self, ref: Ref, value: Any, at: int, quality: Quality) -> None:
        if not self._out:
            asyncio.get_running_loop().call_soon(self._flush)
        self._out.append((ref, value, at, quality))

    def _flush(self) -> None:
        out, self._out = self._out, []
        events = [event for one in out if (event := self._event(*one)) is not None]
        if events:
            self._given.publish(events)

    def _event(self, ref: Ref, value: Any, at: int, quality: Quality) -> Event | None:
        if self._homeless(ref):
            return None
        source = self._given.planned()[ref.device].sources[ref.resource]
        return Event(source, at, [value], quality=None if quality == GOOD else {0: quality})

    def _homeless(self, ref: Ref) -> str:
        """Why values of a virtual resource go nowhere; empty: they go where everything goes."""
        planned = self._given.planned().get(ref.device)
        if planned is None:
            return f"there is no device {ref.device} yet"
        if planned.connection.service != SERVICE:
            return f"{ref} goes nowhere: {ref.device} is a device of its own; name another in `into`"
        return "" if ref.resource in planned.sources else f"{ref} is not in force yet"

    # -------------------------------------------------------------------------------------------------------- binding

    def _bind(self) -> None:
        """Finds what every rule names; what has not changed goes on as it was."""
        planned = self._seen = self._given.planned()
        before, idle = self._running, self._idle
        self._running, self._idle = {}, {}
        fresh: list[Running] = []
        for rule in self._rules.values():
            try:
                found = find(rule, planned)
            except NotFound as error:
                self._idle[rule.name] = str(error)
                if idle.get(rule.name) != str(error):
                    log.warning("rule %s has nothing to do: %s", rule.name, error)
                    self._spoil(rule, Quality("bad", "config", str(error)))
                continue
            for inputs in found:
                if isinstance(rule, Missing) and not watched(planned[inputs["of"].ref.device]):
                    continue
                key = (rule.name, next(iter(inputs.values())).ref)
                one = before.get(key)
                if one is None or one.rule != rule or not _same(one.inputs, inputs):
                    one = self._new(rule, inputs, one)
                    fresh.append(one)
                self._running[key] = one
        for key, one in before.items():
            if self._running.get(key) is not one:
                one.end()
                self._ending.append(one)
        self._wire_all()
        self._ending = [one for one in self._ending if not one.over]
        for one in fresh:
            one.begin()
        self._clear_ownerless()

    def _spoil(self, rule: AnyRule, quality: Quality) -> None:
        """What a rule made does not hold any more when it has nothing to read."""
        for key, target in rule.makes().items():
            if key != "hard.into":  # samples, which are no state
                self._emit(target, None, self._given.clock.now(), quality)

    def _new(self, rule: AnyRule, inputs: Mapping[str, Input], old: Running | None) -> Running:
        """It goes on with what the one before it knew, if that was of its kind; or with what was kept on disk."""
        one = running_rule(rule, inputs, self._around)
        memory = old.memory() if old is not None and old.rule.kind == rule.kind else None
        memory = memory or self._given.state.get(MEMORY, _key(rule.name, one.subject))
        if memory is not None:
            one.recall(memory)
        return one

    def _wire_all(self) -> None:
        self._wires, self._known, self._of = {}, {}, {}
        for one in self._running.values():
            self._of.setdefault(one.rule.name, []).append(one)
            for slot, given in one.inputs.items():
                self._wires.setdefault(given.ref.device, {}).setdefault(given.ref.resource, []).append((one, slot))

    def _clear_ownerless(self) -> None:
        """Alarms of rules that are no more, or that watch something else now, are over."""
        alarming = {(name, *subject) for (name, subject), one in self._running.items() if one.alarming}
        for alarm in self._given.alarms.all():
            if alarm.name in OWN:
                continue
            if alarm.name not in self._rules:
                why = f"there is no rule {alarm.name} any more"
            elif (alarm.name, alarm.device, alarm.resource) not in alarming:
                why = f"rule {alarm.name} does not watch it any more"
            else:
                continue
            self._given.alarms.tell(RuleName(alarm.name), "cleared", why, about=alarm.about, severity=alarm.severity)

    # -------------------------------------------------------------------------------------------------------- reports

    def report(self, name: str) -> dict[str, Any]:
        """State of one rule, for people."""
        mine = self._of.get(name, [])
        raised = sum(one.raised for one in mine)
        state = "idle" if name in self._idle else "raised" if raised else "watching"
        lost = [why for ref in self._rules[name].makes().values() if (why := self._homeless(ref))]
        return {
            "state": state,
            "why": "; ".join(filter(None, [self._idle.get(name, ""), *lost, *(one.ails for one in mine)])),
            "watched": len(mine),
            "raised": raised,
            "errors": sum(one.trouble.count for one in mine),
            "watching": [one.report() for one in sorted(mine, key=lambda one: not one.raised)[:SHOWN]],
        }

    @property
    def rules(self) -> Sequence[AnyRule]:
        """In force."""
        return list(self._rules.values())


def _same(old: Mapping[str, Input], new: Mapping[str, Input]) -> bool:
    return old.keys() == new.keys() and all(
        old[slot].ref == given.ref and (old[slot].resource is given.resource or old[slot].resource == given.resource)
        for slot, given in new.items()
    )


def _key(name: str, subject: Ref) -> str:
    return f"{name}\n{subject}"


def _feed(event: Event, wires: _Wires) -> None:
    """The readings of an event to whoever reads them; then whoever waits for all of them works."""
    which, quality, at = event.which, event.quality, event.origin
    settling: dict[Running, None] = {}
    for index, ports in wires:
        if which is None:
            position = index
        elif index in which:
            position = which.index(index)
        else:
            continue
        value, marked = event.values[position], quality.get(position) if quality else None
        bad = marked if marked is not None and marked.level == "bad" else NAN if value is None else None
        for one, slot in ports:
            try:
                if bad is None:
                    one.take(slot, value, at)
                else:
                    one.bad(slot, bad, at)
            except Exception as error:  # noqa: BLE001  logged there
                _our_fault(one, error)
            if one.settles:
                settling[one] = None
    for one in settling:
        try:
            one.settle(at)
        except Exception as error:  # noqa: BLE001  logged there
            _our_fault(one, error)


def _our_fault(one: Running, error: Exception) -> None:
    """A bug of ours in one rule spoils no other, and is logged once."""
    if not one.trouble.last.startswith("an error of the gateway itself"):
        log.exception("rule %s failed by our own fault; the others go on", one.rule.name)
    one.trouble.note(f"an error of the gateway itself ({type(error).__name__}); its log has the details")
