"""The twin of every device: last reported values, how fresh, since when. Never asks a device.

`update` is a bus tap and only remembers; documents, patches, versions and states are worked out when somebody looks."""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from gateway.model.contracts import Clock, State
from gateway.model.device import DeviceState, Flow
from gateway.model.errors import StoreFailed
from gateway.model.health import LaneReport
from gateway.model.plan import PlannedDevice
from gateway.model.reading import Batch, Event, Source
from gateway.runtime.turns import Turns
from gateway.runtime.twin.flow import Judgement, judge
from gateway.runtime.twin.lastvalues import NEVER, Cell, Row, Slot, View, newest, periods, row
from gateway.runtime.twin.reported import Reported

TABLE = "twins"
BOOT = ""
"""Key of the start counter in the table; no device has this name."""
VERSIONS_PER_START = 2**32
EPOCH_NS = 1_577_836_800 * 10**9
"""2020-01-01: versions stay below 2^53, which every reader of JSON keeps exact, for two centuries."""
HOUR_NS = 3600 * 10**9
TICK_S = 1.0
LANES_S = 0.25
"""Reports of the connections may be that old when states are worked out: many ask at once."""
SAVE_S = 30.0

StateChanged = Callable[[str, DeviceState, DeviceState], None]
"""Called with device, state before, state now. Must not block or raise."""

log = logging.getLogger(__name__)


class _Twin:
    """One device, as long as its plan is in force."""

    def __init__(self, planned: PlannedDevice, reported: Reported, spare: dict[str, Cell], since: float) -> None:
        self.planned = planned
        self.reported = reported
        self.spare = spare
        """Values of throw-away reads, of sources that are no more, and of before the restart."""
        self.since = since
        self.periods = periods(planned)
        self.polled = {source for poll in planned.polls for source in poll.sources}
        self.slots: dict[Source, Slot] = {}
        self.judgement: Judgement | None = None
        self.state = DeviceState(Flow.UNKNOWN, "not read yet", 0)

    def owns(self, source: Source) -> bool:
        return source in self.polled or self.planned.sources.get(source.name) is source

    def cells(self) -> dict[str, Cell]:
        return {n: c for n, c in newest(self._views(), self.spare).items() if n in self.reported.known}

    def cell(self, name: str) -> Cell | None:
        """The newest of one resource."""
        if name not in self.reported.known:
            return None
        found = self.spare.get(name)
        for slot in self.slots.values():
            view = slot.reported if name in self.reported.names else slot.all
            if view is not None and name in view.names:
                cell = view.cells()[view.names.index(name)]
                if cell.heard != NEVER and (found is None or cell.heard >= found.heard):
                    found = cell
        return found

    def reported_cells(self) -> dict[str, Cell]:
        """Of what is in the twin: the rest stays folded."""
        names = self.reported.names
        if not names:
            return {}
        spare = {n: c for n, c in self.spare.items() if n in names}
        return newest([slot.reported for slot in self._by_age() if slot.reported is not None], spare)

    def put_aside(self) -> dict[str, Cell]:
        """Copies: a slot that lives on goes on writing its own."""
        return {name: replace(cell) for name, cell in newest(self._views(), self.spare).items()}

    def _views(self) -> list[View]:
        return [slot.all for slot in self._by_age()]

    def _by_age(self) -> list[Slot]:
        return sorted(self.slots.values(), key=lambda slot: slot.heard)


class TwinStore:
    """Implements `gateway.model.contracts.Twins`; `update` is the tap for the bus."""

    def __init__(
        self,
        planned: Callable[[], Mapping[str, PlannedDevice]],
        state: State,
        clock: Clock,
        lanes: Callable[[], Sequence[LaneReport]] = tuple,
    ) -> None:
        """`planned` gives the devices in force, `lanes` the connections (for the reason of an outage)."""
        self._planned, self._state, self._clock, self._lanes = planned, state, clock, lanes
        self._twins: dict[str, _Twin] = {}
        self._slots: dict[Source, Slot] = {}
        self._stored: dict[str, Any] = {}
        self._boot = 1
        self._saved: dict[str, int] = {}
        self._left: dict[str, int] = {}
        """Versions of devices that are no more: one of the same name goes on from there."""
        self._lane_of: dict[str, LaneReport] = {}
        self._lanes_at = NEVER
        self.listeners: list[StateChanged] = []

    # ------------------------------------------------------------------------------------------------------ the tap

    def update(self, batch: Batch) -> None:
        """Remembers every live Event of the batch."""
        heard = self._clock.monotonic()
        slots = self._slots
        for record in batch:
            if isinstance(record, Event) and not record.historical:
                slot = slots.get(record.source)
                if slot is None:
                    self._meet(record, heard)
                else:
                    slot.take(record, heard)

    def _meet(self, event: Event, heard: float) -> None:
        """First Event of a source; of a throw-away one only the cells stay."""
        source = event.source
        twin = self._find(source.device)
        if twin is None:
            return
        if twin.owns(source):
            slot = twin.slots[source] = self._slots[source] = Slot(source, twin.reported.names)
            slot.take(event, heard)
            return
        view = View(source, tuple(range(len(source.names))), [twin.spare.setdefault(n, Cell()) for n in source.names])
        view.take(event, heard)
        view.cells()

    # ------------------------------------------------------------------------------------------------------- looking

    def devices(self) -> Sequence[str]:
        """Every device in force that has a profile."""
        return list(self._planned())

    def state(self, device: str) -> DeviceState:
        """Whether values flow, why not, since when. A device nobody knows is `unknown`."""
        twin = self._find(device)
        if twin is None:
            return DeviceState(Flow.UNKNOWN, "no such device", 0)
        return self._judge(device, twin)

    def last(self, device: str) -> list[Row]:
        """Newest value of every resource that was ever read, polled or not."""
        twin = self._find(device)
        if twin is None:
            return []
        monotonic, now = self._clock.monotonic(), self._clock.now()
        return [row(n, c, twin.periods.get(n), monotonic, now) for n, c in twin.cells().items()]

    def value(self, device: str, name: str) -> Row | None:
        """Newest value of one resource; None when it was never read. Costs one look, however many there are."""
        twin = self._find(device)
        cell = twin.cell(name) if twin is not None else None
        if twin is None or cell is None:
            return None
        return row(name, cell, twin.periods.get(name), self._clock.monotonic(), self._clock.now())

    def version(self, device: str) -> int:
        """Reported version; only grows, also over restarts and kill -9. 0 for a device nobody knows."""
        twin = self._fresh(device)
        return twin.reported.version if twin else 0

    def document(self, device: str) -> dict[str, Any]:
        """`{version, ts, properties, quality}`: last good values by resource, and what is not good about them."""
        twin = self._fresh(device)
        return twin.reported.document() if twin else {"version": 0, "ts": 0, "properties": {}, "quality": {}}

    def patch(self, device: str, base: int) -> dict[str, Any] | None:
        """Merge patch (RFC 7396) from version `base` to now: a resource that left the twin is null, a quality that is
        good again is null. None when nothing changed."""
        twin = self._fresh(device)
        return twin.reported.patch(base) if twin else None

    # ---------------------------------------------------------------------------------------------------- life cycle

    async def start(self) -> None:
        """Reads what was remembered, and makes sure on disk that no version is ever given twice."""
        self._stored = self._state.all(TABLE)
        boot = self._stored.pop(BOOT, None)
        self._boot = (boot if isinstance(boot, int) else self._hours()) + 1
        try:
            await self._state.put(TABLE, {BOOT: self._boot})
        except StoreFailed as error:
            log.error("The twins' start counter could not be written (%s); versions may repeat after a restart", error)

    def _hours(self) -> int:
        """Where the start counter begins: above what a lost file had, for who starts less often than every hour."""
        return max(0, (self._clock.now() - EPOCH_NS) // HOUR_NS)

    async def run(self) -> None:
        """Looks at every device's state once a second and remembers the reported values twice a minute."""
        left = SAVE_S
        while True:
            await self._clock.sleep(TICK_S)
            turns = Turns(self._clock)
            for _ in self._looks():
                await turns.give()
            left -= TICK_S
            if left <= 0:
                left = SAVE_S
                await self.save()

    def tick(self) -> None:
        """Works out all states; listeners hear of what changed."""
        for _ in self._looks():
            pass

    def _looks(self) -> Iterator[None]:
        """Works out one state after another."""
        for device in self._planned():
            twin = self._find(device)
            if twin is not None:
                self._judge(device, twin)
            yield
        for device in self._twins.keys() - self._planned().keys():
            self._forget(device)

    async def save(self) -> None:
        """Remembers what changed since the last time, for the next start."""
        entries, versions = {}, {}
        for device in self._planned():
            twin = self._fresh(device)
            if twin is not None and self._saved.get(device) != twin.reported.version:
                entries[device], versions[device] = twin.reported.remembered(), twin.reported.version
        if entries:
            with suppress(StoreFailed):  # the journal raises the alarm about the disk
                await self._state.put(TABLE, entries)
                self._saved |= versions

    # ------------------------------------------------------------------------------------------------------- inside

    def _find(self, device: str) -> _Twin | None:
        planned = self._planned().get(device)
        twin = self._twins.get(device)
        if planned is None or (twin is not None and twin.planned is planned):
            return twin if planned is not None else None
        return self._renew(device, planned, twin)

    def _renew(self, device: str, planned: PlannedDevice, old: _Twin | None) -> _Twin:
        """A device is new or has another plan: what was heard is kept under the new one."""
        if old is None:
            first = max(self._boot * VERSIONS_PER_START, self._left.pop(device, 0))
            reported = Reported(planned.profile, first)
            spare = reported.restore(self._stored.pop(device, None))
        else:
            reported, spare = old.reported, old.put_aside()
            reported.follow(planned.profile)
            self._forget(device)
        twin = self._twins[device] = _Twin(planned, reported, spare, self._clock.monotonic())
        if old is not None:
            twin.state = old.state
            self._keep_unchanged(old, twin)
        return twin

    def _keep_unchanged(self, old: _Twin, twin: _Twin) -> None:
        for source, slot in old.slots.items():
            if twin.owns(source):
                twin.slots[source] = self._slots[source] = slot

    def _forget(self, device: str) -> None:
        twin = self._twins.pop(device)
        self._left[device] = twin.reported.version
        for source in twin.slots:
            self._slots.pop(source, None)

    def _fresh(self, device: str) -> _Twin | None:
        twin = self._find(device)
        if twin is not None:
            twin.reported.refresh(twin.reported_cells(), twin.periods, self._clock.monotonic(), self._clock.now())
        return twin

    def _judge(self, device: str, twin: _Twin) -> DeviceState:
        now = self._clock.monotonic()
        if now - self._lanes_at >= LANES_S:
            self._lane_of, self._lanes_at = {name: lane for lane in self._lanes() for name in lane.devices}, now
        return self._note(device, twin, judge(twin.planned, twin.slots, twin.since, now, self._lane_of.get(device)))

    def _note(self, device: str, twin: _Twin, judgement: Judgement) -> DeviceState:
        if judgement == twin.judgement:
            return twin.state
        before = twin.state
        since = before.since if before.state is judgement.flow and before.since else self._clock.now()
        twin.judgement, twin.state = judgement, DeviceState(judgement.flow, judgement.reason, since)
        if before.state is not judgement.flow:
            for listener in self.listeners:
                listener(device, before, twin.state)
        return twin.state
