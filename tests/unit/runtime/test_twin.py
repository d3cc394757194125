"""The twin: last values, freshness, states, versions, documents and patches, over restarts."""

import time
from dataclasses import replace

from gateway.model.device import AdminState, DeviceState, Flow
from gateway.model.health import LaneReport
from gateway.model.plan import PlannedDevice
from gateway.model.reading import DISCONNECTED, TIMEOUT, Event, Quality, refused
from gateway.runtime.twin.store import TwinStore
from tests.support.clock import MovingClock
from tests.support.state import MemoryState
from tests.unit.runtime.house import command, event, planned, profile, resource

METER = profile(
    resource("Voltage"),
    resource("Setpoint", read_write="RW", optional={"tolerance": 0.5}),
    resource("Energy", optional={"twin": True}),
    commands=[command("All", "Voltage", "Setpoint", "Energy", read_write="R")],
)


class House:
    """A twin store over devices that a test may exchange."""

    def __init__(self, clock: MovingClock, state: MemoryState, *devices: PlannedDevice) -> None:
        self.clock = clock
        self.devices = {device.device.name: device for device in devices}
        self.lanes: list[LaneReport] = []
        self.store = TwinStore(lambda: self.devices, state, clock, lambda: self.lanes)

    def hear(self, *values: object, device: str = "d1", source: str = "All", **more: object) -> None:
        of = self.devices[device].sources[source]
        self.store.update([event(of, *values, origin=self.clock.now(), **more)])  # type: ignore[arg-type]

    def row(self, name: str) -> object:
        return next(row for row in self.store.last("d1") if row.resource == name)


async def house(clock: MovingClock, state: MemoryState | None = None, **more: object) -> House:
    made = House(clock, state or MemoryState(), planned(METER, polls={"All": 1.0}, **more))  # type: ignore[arg-type]
    await made.store.start()
    return made


async def test_newest_values_with_age_and_freshness(clock: MovingClock) -> None:
    it = await house(clock)
    assert it.store.last("d1") == []
    it.hear(230.0, 20.0, 5.0)
    await clock.advance(1)
    it.hear(230.0, 21.0, 5.0)
    await clock.advance(0.5)
    rows = {row.resource: row for row in it.store.last("d1")}
    assert rows["Voltage"].value == 230.0
    assert rows["Voltage"].freshness == "repeat"
    assert rows["Setpoint"].freshness == "fresh"
    assert rows["Voltage"].age_s == 0.5
    assert rows["Voltage"].period_s == 1.0
    await clock.advance(3)
    assert {row.freshness for row in it.store.last("d1")} == {"stale"}


async def test_age_is_monotonic_whatever_the_wall_clock_does(clock: MovingClock) -> None:
    it = await house(clock)
    it.hear(230.0, 20.0, 5.0)
    clock.step_wall(-3600)
    await clock.advance(1)
    assert it.row("Voltage").age_s == 1.0  # type: ignore[attr-defined]


async def test_bad_value_keeps_last_good_beside_it(clock: MovingClock) -> None:
    it = await house(clock)
    it.hear(230.0, 20.0, 5.0)
    first = clock.now()
    await clock.advance(1)
    it.hear(231.0, None, 5.0, bad={1: refused("2")})
    await clock.advance(1)
    it.hear(232.0, None, 5.0, bad={1: refused("2")})
    row = it.row("Setpoint")
    assert (row.value, row.last_good, row.origin) == (None, 20.0, first)  # type: ignore[attr-defined]
    assert row.quality == refused("2")  # type: ignore[attr-defined]
    assert it.row("Voltage").value == 232.0  # type: ignore[attr-defined]


async def test_an_uncertain_value_is_the_last_good_one_when_it_goes_bad(clock: MovingClock) -> None:
    it = await house(clock)
    it.hear(230.0, 20.0, 5.0, bad={1: Quality("uncertain")})
    for _ in range(2):
        await clock.advance(1)
        it.hear(231.0, None, 5.0, bad={1: refused("2")})
    assert it.row("Setpoint").last_good == 20.0  # type: ignore[attr-defined]


async def test_part_of_an_event_updates_only_that_part(clock: MovingClock) -> None:
    it = await house(clock)
    it.hear(230.0, 20.0, 5.0)
    it.hear(6.0, which=(2,))
    assert [row.value for row in it.store.last("d1")] == [230.0, 20.0, 6.0]


async def test_historical_events_are_not_the_present(clock: MovingClock) -> None:
    it = await house(clock)
    it.hear(230.0, 20.0, 5.0)
    it.hear(1.0, 1.0, 1.0, historical=True)
    assert it.row("Voltage").value == 230.0  # type: ignore[attr-defined]


async def test_throwaway_read_is_kept_without_its_source(clock: MovingClock) -> None:
    it = await house(clock)
    it.hear(230.0, 20.0, 5.0)
    from tests.unit.runtime.house import source as throwaway

    await clock.advance(0.1)
    for value in (7.0, 8.0):
        it.store.update([event(throwaway(METER, "d1", "V.*", "Voltage"), value, origin=clock.now())])
    assert it.row("Voltage").value == 8.0  # type: ignore[attr-defined]
    assert len(it.store._slots) == 1


async def test_document_and_patch(clock: MovingClock) -> None:
    it = await house(clock)
    it.hear(230.0, 20.0, 5.0)
    document = it.store.document("d1")
    assert document["properties"] == {"Setpoint": 20.0, "Energy": 5.0}
    assert document["quality"] == {}
    base = document["version"]
    assert it.store.patch("d1", base) is None
    it.hear(231.0, 20.4, 5.0)
    assert it.store.patch("d1", base) is None, "within the tolerance"
    it.hear(231.0, 21.0, 5.0)
    patch = it.store.patch("d1", base)
    assert patch is not None
    assert patch["properties"] == {"Setpoint": 21.0}
    assert (patch["base"], patch["version"]) == (base, base + 1)
    it.hear(231.0, None, 6.0, bad={1: TIMEOUT})
    patch = it.store.patch("d1", base + 1)
    assert patch is not None
    assert patch["properties"] == {"Setpoint": 21.0, "Energy": 6.0}
    assert patch["quality"] == {"Setpoint": ["bad", "timeout"], "Energy": None}


async def test_value_not_read_in_time_is_told_once(clock: MovingClock) -> None:
    it = await house(clock)
    it.hear(230.0, 20.0, 5.0)
    base = it.store.version("d1")
    await clock.advance(4)
    patch = it.store.patch("d1", base)
    assert patch is not None
    assert patch["quality"]["Setpoint"] == ["bad", "stale"]
    await clock.advance(4)
    assert it.store.version("d1") == patch["version"]


async def test_resource_that_leaves_the_profile_becomes_null(clock: MovingClock) -> None:
    it = await house(clock)
    it.hear(230.0, 20.0, 5.0)
    base = it.store.version("d1")
    smaller = profile(resource("Voltage"), resource("Setpoint", read_write="RW"))
    it.devices["d1"] = planned(smaller, polls={"Voltage": 1.0})
    patch = it.store.patch("d1", base)
    assert patch is not None
    assert patch["properties"] == {"Energy": None}
    assert it.store.document("d1")["properties"] == {"Setpoint": 20.0}
    assert {row.resource for row in it.store.last("d1")} == {"Voltage", "Setpoint"}


async def test_versions_only_grow_over_kill_and_stop(clock: MovingClock) -> None:
    state, seen = MemoryState(), [0]
    for round_ in range(4):
        it = await house(clock, state)
        assert it.store.version("d1") > seen[-1]
        for value in range(5):
            it.hear(1.0, 20.0 + value, float(round_))
            seen.append(it.store.version("d1"))
        if round_ % 2:
            await it.store.save()
    assert seen == sorted(seen)


async def test_versions_grow_though_the_file_that_counts_starts_is_lost(clock: MovingClock) -> None:
    state = MemoryState()
    for _ in range(3):
        before = (await house(clock, state)).store.version("d1")
    await clock.advance(3 * 3600)
    assert before < (await house(clock)).store.version("d1") < 2**53


async def test_remembered_values_are_stale_until_read_and_all_told_again(clock: MovingClock) -> None:
    state = MemoryState()
    it = await house(clock, state)
    it.hear(230.0, 20.0, 5.0)
    before = it.store.version("d1")
    await it.store.save()
    again = await house(clock, state)
    assert again.row("Setpoint").freshness == "stale"  # type: ignore[attr-defined]
    patch = again.store.patch("d1", before)
    assert patch is not None
    assert patch["quality"]["Setpoint"] == ["bad", "stale"]
    assert patch["properties"]["Setpoint"] == 20.0
    again.hear(230.0, 20.0, 5.0)
    patch = again.store.patch("d1", patch["version"])
    assert patch is not None
    assert patch["quality"] == {"Setpoint": None, "Energy": None}


async def test_saving_writes_only_what_changed(clock: MovingClock) -> None:
    state = MemoryState()
    it = await house(clock, state)
    it.hear(230.0, 20.0, 5.0)
    await it.store.save()
    puts = state.puts
    it.hear(231.0, 20.0, 5.0)
    await it.store.save()
    assert state.puts == puts
    it.hear(231.0, 25.0, 5.0)
    await it.store.save()
    assert state.puts == puts + 1


async def test_full_disk_does_not_stop_the_twin(clock: MovingClock) -> None:
    state = MemoryState()
    state.fails = True
    it = await house(clock, state)
    it.hear(230.0, 20.0, 5.0)
    await it.store.save()
    assert it.store.document("d1")["properties"]["Setpoint"] == 20.0


async def test_online_only_while_values_flow(clock: MovingClock) -> None:
    it = await house(clock)
    seen: list[tuple[str, str]] = []
    it.store.listeners.append(lambda device, before, now: seen.append((before.state, now.state)))
    assert it.store.state("d1").state is Flow.UNKNOWN
    it.hear(230.0, 20.0, 5.0)
    it.store.tick()
    since = clock.now()
    assert it.store.state("d1") == DeviceState(Flow.ONLINE, "", since)
    await clock.advance(2)
    assert it.store.state("d1").since == since
    await clock.advance(2)
    it.store.tick()
    assert it.store.state("d1").state is Flow.OFFLINE
    assert "All" in it.store.state("d1").reason
    assert seen == [("unknown", "online"), ("online", "offline")]


async def test_silent_from_the_start_is_offline_after_three_periods(clock: MovingClock) -> None:
    it = await house(clock)
    assert it.store.state("d1").state is Flow.UNKNOWN
    await clock.advance(3.5)
    assert it.store.state("d1").state is Flow.OFFLINE


async def test_all_values_bad_is_offline_with_the_reason(clock: MovingClock) -> None:
    it = await house(clock)
    it.hear(230.0, 20.0, 5.0)
    for _ in range(4):
        await clock.advance(1)
        it.hear(None, None, None, bad=dict.fromkeys(range(3), TIMEOUT))
    assert it.store.state("d1").state is Flow.OFFLINE
    assert "timeout" in it.store.state("d1").reason


async def test_degraded_while_some_sources_flow(clock: MovingClock) -> None:
    it = House(clock, MemoryState(), planned(METER, polls={"Voltage": 1.0, "Energy": 1.0}))
    await it.store.start()
    for _ in range(5):
        await clock.advance(1)
        it.hear(1.0, source="Voltage")
        it.hear(None, source="Energy", bad={0: refused("2")})
    state = it.store.state("d1")
    assert state.state is Flow.DEGRADED
    assert state.reason == "no good values of Energy: refused 2"


async def test_reason_names_the_connection_and_stays_the_same_while_it_holds(clock: MovingClock) -> None:
    it = await house(clock)
    it.lanes = [_lane("waiting", "connection refused", next_try=3.0)]
    state = it.store.state("d1")
    assert state.state is Flow.OFFLINE
    assert state.reason == "wire: connection refused"
    it.lanes = [_lane("waiting", "connection refused", next_try=9.0)]
    await clock.advance(4)
    assert it.store.state("d1") is state


async def test_a_reason_that_names_the_server_is_not_told_where_that_is(clock: MovingClock) -> None:
    it = await house(clock)
    at = _lane("waiting", "opc.tcp://press:4840 offers no security")
    it.lanes = [replace(at, connection="otto@opc.tcp://press:4840")]
    assert it.store.state("d1").reason == "opc.tcp://press:4840 offers no security"


async def test_slow_polls_are_not_online_for_hours_after_the_connection_broke(clock: MovingClock) -> None:
    made = House(clock, MemoryState(), planned(METER, polls={"All": 3600.0}))
    await made.store.start()
    made.hear(230.0, 20.0, 5.0)
    assert made.store.state("d1").state is Flow.ONLINE
    await clock.advance(60)
    made.hear(None, None, None, bad=dict.fromkeys(range(3), DISCONNECTED))
    await clock.advance(1)
    made.store.tick()
    assert made.store.state("d1").state is Flow.ONLINE
    await clock.advance(2)
    made.store.tick()
    assert made.store.state("d1").state is Flow.OFFLINE
    made.hear(230.0, 20.0, 5.0)
    assert made.store.state("d1").state is Flow.ONLINE


async def test_locked_device_is_unknown(clock: MovingClock) -> None:
    it = await house(clock, admin_state=AdminState.LOCKED)
    assert it.store.state("d1").state is Flow.UNKNOWN
    assert "LOCKED" in it.store.state("d1").reason


async def test_unknown_and_removed_devices(clock: MovingClock) -> None:
    it = await house(clock)
    it.hear(230.0, 20.0, 5.0)
    gone = it.devices.pop("d1").sources["All"]
    it.store.tick()
    it.store.update([event(gone, 1.0, 2.0, 3.0)])
    assert it.store.devices() == []
    assert it.store.last("d1") == []
    assert it.store.patch("d1", 0) is None
    assert it.store.version("d1") == 0
    assert it.store._slots == {}


async def test_a_device_that_was_removed_and_is_back_goes_on_counting(clock: MovingClock) -> None:
    it = await house(clock)
    it.hear(230.0, 20.0, 5.0)
    before = it.store.version("d1")
    device = it.devices.pop("d1")
    it.store.tick()
    it.devices["d1"] = device
    assert it.store.version("d1") >= before
    it.hear(230.0, 20.0, 5.0)
    patch = it.store.patch("d1", before)
    assert patch is not None
    assert patch["version"] > before
    assert patch["properties"] == {"Setpoint": 20.0, "Energy": 5.0}


async def test_what_a_full_disk_refused_is_saved_later(clock: MovingClock) -> None:
    state = MemoryState()
    it = await house(clock, state)
    it.hear(230.0, 20.0, 5.0)
    state.fails = True
    await it.store.save()
    state.fails = False
    await it.store.save()
    assert "d1" in state.tables["twins"]


async def test_run_ticks_and_saves(clock: MovingClock) -> None:
    import asyncio
    import contextlib

    state = MemoryState()
    it = await house(clock, state)
    task = asyncio.create_task(it.store.run())
    it.hear(230.0, 20.0, 5.0)
    await clock.advance(31)
    assert state.tables["twins"]["d1"]["values"]["Setpoint"][0] == 20.0
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


async def test_cost_per_event_of_a_hundred_values(clock: MovingClock) -> None:
    """A tap in the hot path: bookkeeping only (measured about 1 µs; the bound leaves room for a busy machine)."""
    big = profile(*(resource(f"r{i}") for i in range(100)), commands=[command("All", *(f"r{i}" for i in range(100)))])
    it = House(clock, MemoryState(), planned(big, polls={"All": 1.0}))
    await it.store.start()
    batch = [event(it.devices["d1"].sources["All"], *range(100)) for _ in range(100)]
    it.store.update(batch)
    best = min(_took(it.store, batch) for _ in range(20))
    assert best / len(batch) < 10e-6


def _took(store: TwinStore, batch: list[Event]) -> float:
    start = time.perf_counter()
    store.update(batch)
    return time.perf_counter() - start


def _lane(state: str, reason: str, next_try: float | None = None) -> LaneReport:
    return LaneReport("device-fake", "wire", state, reason, 0, next_try, ("d1",), {}, 0, {}, 0, 0.0, 0)
