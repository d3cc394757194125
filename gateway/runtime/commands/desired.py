"""Desired values are reconciled: a target survives being offline, and its owner is told what became of each property.

Every write goes down the one command road; what is remembered (version, results, tries) is on disk before."""

import asyncio
import json
import logging
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from typing import Any

from gateway.model.command import SENT, Command, CommandResult, Desired, Outcome
from gateway.model.device import DeviceState, Flow
from gateway.model.errors import CommandRejected, DeviceError, NoAnswer, NotConnected, StoreFailed
from gateway.model.extensions import extensions
from gateway.model.plan import PlannedDevice
from gateway.model.profile import DeviceResource
from gateway.model.reading import Event, Message
from gateway.runtime.commands.lookup import equals
from gateway.runtime.commands.surroundings import Surroundings
from gateway.runtime.commands.target import APPLIED, DRIFTED, PENDING, REJECTED, SUPERSEDED, Target

TABLE = "desired"
LOOK_S = 30.0
"""How often pending and applied properties are looked at again."""
LONGEST_S = 3600.0
"""A property that stays pending is tried with pauses that double up to this, and at once when its device is back."""
MAX_BYTES = 32 * 1024
MAX_DEPTH = 10
TRY_AGAIN = (412, 423, 429, 500, 503, 504)
"""Codes after which a property stays pending: it can still come true."""

log = logging.getLogger(__name__)

Run = Callable[[Command], Awaitable[CommandResult]]
Read = Callable[[str, str, bool], Awaitable[Event]]
Forget = Callable[[str, list[str]], None]


class DesiredRoad:
    """Keeps every device at what its owner wants. `device_changed` hears of states (`TwinStore.listeners`)."""

    def __init__(self, around: Surroundings, run: Run, read: Read, forget: Forget) -> None:
        """`forget`: ids of commands that will not be asked for again."""
        self._around, self._clock, self._state = around, around.clock, around.state
        self._run, self._read, self._forget_commands = run, read, forget
        self._targets: dict[str, Target] = {}
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._tasks: set[asyncio.Task[None]] = set()
        self._resting: dict[tuple[str, str], float] = {}
        self._closed = False
        self.ignored: Counter[str] = Counter()
        """Documents not above the last version, per device."""

    # ------------------------------------------------------------------------------------------------- what comes in

    async def desire(self, desired: Desired) -> None:
        """Lower than the last version of the same epoch: ignored. Equal: acknowledged again. Higher, or of another
        epoch: on disk when this returns, then applied; the acknowledgement leaves through the journal."""
        refusal = self._refusal(desired)
        if refusal is not None:
            await self._acknowledge(desired.device, desired.version, {"*": refusal})
            return
        target = self._targets.get(desired.device)
        if target is not None and target.epoch == desired.epoch and desired.version <= target.version:
            if desired.version < target.version:
                self.ignored[desired.device] += 1
            elif target.told:
                await self._acknowledge(desired.device, target.version, target.results)
            return
        await self._replace(target, Target.of(desired, self._clock.now()))

    def view(self, device: str) -> dict[str, Any] | None:
        """See `Commands.desired_of`."""
        target = self._targets.get(device)
        return target.view() if target else None

    async def _replace(self, old: Target | None, new: Target) -> None:
        waiting = old.waiting() if old else []
        self._targets[new.device] = new
        await self._save(new)
        if old is not None and waiting:
            for name in waiting:
                old.note(name, SUPERSEDED, 409, None, self._clock.now())
            await self._acknowledge(old.device, old.version, old.results)
        self._spawn(self._reconcile(new.device, new, first=True))

    def _refusal(self, desired: Desired) -> dict[str, Any] | None:
        if desired.device not in self._around.registry.current.devices:
            return _result(REJECTED, 404, None, self._clock.now())
        text = json.dumps(dict(desired.properties), ensure_ascii=False, default=str)
        if len(text.encode(errors="surrogatepass")) > MAX_BYTES or _depth(desired.properties) > MAX_DEPTH:
            return _result(REJECTED, 413, None, self._clock.now())
        return None

    # --------------------------------------------------------------------------------------------------- life cycle

    def start(self) -> None:
        """Takes up what was wanted before the restart; what was under way is looked up in the command ledger."""
        for stored in self._state.all(TABLE).values():
            target = Target.restored(stored)
            if target is not None:
                self._targets[target.device] = target
                if target.waiting() or not target.told:
                    self._spawn(self._reconcile(target.device, target, first=True))

    async def run(self) -> None:
        """Looks again, twice a minute, at what is pending and at what has drifted."""
        while True:
            await self._clock.sleep(LOOK_S)
            for device, target in list(self._targets.items()):
                if device not in self._around.registry.current.devices:
                    await self._forget(device)
                elif target.told and not self._locks[device].locked():
                    self._spawn(self._reconcile(device, target, patient=True))
                    await asyncio.sleep(0)  # it looks now, and whatever else is due goes before the next

    def device_changed(self, device: str, before: DeviceState, now: DeviceState) -> None:
        """A device that is back gets what is pending; what it lost during its outage is written again or shown."""
        target = self._targets.get(device)
        if target is not None and now.state in (Flow.ONLINE, Flow.DEGRADED) and before.state is not now.state:
            self._spawn(self._reconcile(device, target, outage=before.state is Flow.OFFLINE))

    async def close(self) -> None:
        """Stops between two properties; what is not done stays pending on disk, what comes later is only kept."""
        self._closed = True
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work, name="desired")
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("Reconciling a device ended by our own fault", exc_info=error)

    # --------------------------------------------------------------------------------------------------- reconciling

    async def _reconcile(
        self, device: str, target: Target, first: bool = False, outage: bool = False, patient: bool = False
    ) -> None:
        """One look at every property; tells the owner when anything changed. `outage`: the device was away; `patient`:
        what failed lately may rest."""
        async with self._locks[device]:
            before = dict(target.results)
            for name in target.properties:
                if self._holds(target) and not (patient and self._rests(target, name)):
                    await self._look(target, name, outage)
            if not self._holds(target):
                return
            if before != target.results or not target.told or first:
                target.told = True
                await self._save(target)
                await self._acknowledge(device, target.version, target.results)

    def _holds(self, target: Target) -> bool:
        """It is still what is wanted, and nobody is closing."""
        return not self._closed and self._targets.get(target.device) is target

    async def _look(self, target: Target, name: str, outage: bool) -> None:
        status = target.status(name)
        if status in (APPLIED, DRIFTED):
            await self._look_for_drift(target, name, outage)
        elif status == PENDING and not self._too_late(target, name):
            await self._apply(target, name)

    def _rests(self, target: Target, name: str) -> bool:
        until = self._resting.get((target.device, name), 0.0)
        return target.status(name) == PENDING and self._clock.monotonic() < until

    def _too_late(self, target: Target, name: str) -> bool:
        late = target.expires_at is not None and self._clock.trusted() and self._clock.now() >= target.expires_at
        if late:
            target.note(name, REJECTED, 410, None, self._clock.now())
        return late

    async def _apply(self, target: Target, name: str) -> None:
        planned = self._around.registry.planned.get(target.device)
        if not target.under_way(name):
            reported = self._reported(target, name)
            if planned is not None and reported is not None and self._equal(planned, target, name, reported):
                target.note(name, APPLIED, 200, reported, self._clock.now())
                return
            if self._around.twins.state(target.device).state is Flow.OFFLINE and target.tries(name):
                return
            target.begin(name)
            await self._save(target)
        result = await self._run(self._command(target, name))
        self._conclude(target, name, result)

    def _command(self, target: Target, name: str) -> Command:
        return Command(
            id=target.command_id(name),
            device=target.device,
            name=name,
            args={name: target.properties[name]},
            actor="desired",
            received=self._clock.now(),
            expires_at=target.expires_at,
        )

    def _conclude(self, target: Target, name: str, result: CommandResult) -> None:
        read = result.readback.get(name)
        target.end(name)
        target.reasons[name] = result.error
        pause = min(LOOK_S * 2.0 ** min(target.tries(name) - 1, 10), LONGEST_S)
        self._resting[target.device, name] = self._clock.monotonic() + pause
        now = self._clock.now()
        if result.outcome is Outcome.CONFIRMED:
            target.note(name, APPLIED, 200, target.properties[name] if read is None else read, now)
        elif result.code == SENT:
            target.note(name, APPLIED, SENT, None, now)
        elif result.outcome is Outcome.UNCONFIRMED:
            target.note(name, PENDING if read is None else DRIFTED, 409, read, now)
        elif result.code in TRY_AGAIN:
            target.note(name, PENDING, result.code, None, now)
        else:
            target.note(name, REJECTED, result.code, None, now)

    async def _look_for_drift(self, target: Target, name: str, outage: bool) -> None:
        planned = self._around.registry.planned.get(target.device)
        resource = _resource(planned, name)
        if planned is None or resource is None or not resource.properties.read_write.readable:
            return
        row = self._around.twins.value(target.device, name)
        if outage and (row is None or row.period_s is None or row.freshness == "stale"):
            with suppress(CommandRejected, NotConnected, NoAnswer, DeviceError):
                await self._read(target.device, name, False)
        reported = self._reported(target, name)
        if reported is None:
            return
        if self._equal(planned, target, name, reported):
            if target.status(name) == DRIFTED:
                target.note(name, APPLIED, 200, reported, self._clock.now())
        elif outage and extensions(resource.properties.optional).reapply and not self._too_late(target, name):
            target.note(name, PENDING, 202, reported, self._clock.now())
            await self._apply(target, name)
        elif target.status(name) != DRIFTED or target.value(name) != reported:
            target.note(name, DRIFTED, 409, reported, self._clock.now())

    # ------------------------------------------------------------------------------------------------------- inside

    def _reported(self, target: Target, name: str) -> Any:
        """The value in the twin; None when it is bad, stale or was never read."""
        row = self._around.twins.value(target.device, name)
        return row.value if row is not None and row.freshness != "stale" else None

    def _equal(self, planned: PlannedDevice, target: Target, name: str, reported: Any) -> bool:
        resource = _resource(planned, name)
        return resource is not None and equals(resource, target.properties[name], reported, self._around.compat)

    async def _save(self, target: Target) -> None:
        if self._targets.get(target.device) is not target:
            return  # a newer one is on disk already
        try:
            spent, target.spent = target.spent, []
            await self._state.put(TABLE, {target.device: target.stored()})
            self._forget_commands(target.device, spent)
        except StoreFailed as error:
            log.error("The desired values of %s cannot be written (%s); kept in memory only", target.device, error)

    async def _forget(self, device: str) -> None:
        self._targets.pop(device, None)
        self._locks.pop(device, None)
        self._resting = {key: until for key, until in self._resting.items() if key[0] != device}
        with suppress(StoreFailed):
            await self._state.remove(TABLE, [device])

    async def _acknowledge(self, device: str, version: int, results: dict[str, Any]) -> None:
        body = {"version": version, "session": self._around.session, "results": dict(results)}
        await self._around.tell(Message("ack", device, "desired", self._clock.now(), body))


def _result(status: str, code: int, value: Any, ts: int) -> dict[str, Any]:
    return {"status": status, "code": code, "value": value, "ts": ts}


def _resource(planned: PlannedDevice | None, name: str) -> DeviceResource | None:
    source = planned.sources.get(name) if planned else None
    return source.resources[0] if source is not None and source.names == (name,) else None


def _depth(value: Any) -> int:
    if isinstance(value, dict):
        return 1 + max(map(_depth, value.values()), default=0)
    return 1 + max(map(_depth, value), default=0) if isinstance(value, list) else 0
