"""The figures of planning: requests against the fewest there can be, and the time a large device takes.

`python -m tests.bench.planning`: milliseconds to plan the large device once, and to number it for the journal."""

import random
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

from datastore.sources import Sources
from gateway.model.device import Device
from gateway.model.profile import DeviceProfile
from gateway.model.reading import Source
from gateway.runtime.configuration.planning import Planner
from mappers import Switchboard
from mappers.modbus.plan import ANSWER_MS, plan
from tests.bench.rig import Figure
from tests.support.exhaustive import fewest, least
from tests.support.maps import Map, random_map

MAPS = 50
PLACES = 16
"""Places with values in a table, at most."""
SEED = 20
BAUD = 9600
RESOURCES = 10_000
RUNS = 5


def optimum() -> Iterator[Figure]:
    """Both figures are of all maps together; a map that stands out is in the conditions."""
    ours, best = zip(*map(_requests, _maps(serial=False)), strict=True)
    worst = max(a / b for a, b in zip(ours, best, strict=True))
    maps = f"{MAPS} random maps with gaps, barriers and holes, 4 tables, up to {PLACES} places each, seed {SEED}"
    conditions = (
        f"{maps}; {sum(ours):.0f} requests against every way to share the values out ({sum(best):.0f}) within the same"
    )
    conditions += f" limits, bridging no more than MaxGap; worst map {worst:.2f}"
    yield Figure("modbus.plan.requests_over_optimum", sum(ours) / sum(best), "ratio", conditions)
    ours, best = zip(*map(_line_time, _maps(serial=True)), strict=True)
    conditions = f"{maps}; time on an RTU line of {BAUD} Bd, {ANSWER_MS:g} ms to answer, any gap may be bridged"
    yield Figure("modbus.plan.line_time_over_optimum", sum(ours) / sum(best), "ratio", conditions)


def _maps(serial: bool) -> list[Map]:
    rng = random.Random(SEED)
    made = [random_map(rng, PLACES, serial) for _ in range(MAPS)]
    assert all(one.resources for one in made)
    return made


def _requests(one: Map) -> tuple[float, float]:
    ours = plan(one.device, [one.source], one.facts).requests
    return float(len(ours)), float(sum(fewest(spans, rules) for spans, rules in one.tables.values()))


def _line_time(one: Map) -> tuple[float, float]:
    ours = plan(one.device, [one.source], one.facts).requests
    best = 0.0
    for table, (spans, rules) in one.tables.items():
        best += least(spans, rules, _seconds("COILS" if table in ("COILS", "DISCRETE_INPUTS") else "REGISTERS"))
    return sum(request.line_s + ANSWER_MS / 1000 for request in ours), best


def _seconds(kind: str) -> Callable[[int], float]:
    """Of one request over RTU: 8 characters out, 5 and the data in, two silences of 3.5 characters; 10 bits each."""

    def weight(addresses: int) -> float:
        data = -(-addresses // 8) if kind == "COILS" else 2 * addresses
        return (8 + 5 + data + 2 * 3.5) * 10 / BAUD + ANSWER_MS / 1000

    return weight


def large() -> Iterator[Figure]:
    """Every run is a process of its own: nothing is known from another plan of the same profile."""
    runs = [_run() for _ in range(RUNS)]
    planning, numbering = (statistics.median(column) for column in zip(*runs, strict=True))
    conditions = (
        f"{RESOURCES} resources of one device in one poll (Uint16, Float32, Int16, Uint64, a tenth scaled, gaps)"
    )
    conditions += f", cold, median of {RUNS} processes"
    what = "; checks of profile and device, sources, requests, decoders"
    yield Figure("modbus.plan.ms_10k_resources", planning, "ms", conditions + what)
    what = "; the number and the definition of the source for the journal, not part of the figure above"
    yield Figure("modbus.plan.number_ms_10k_resources", numbering, "ms", conditions + what)


def _run() -> tuple[float, ...]:
    done = subprocess.run([sys.executable, "-m", __spec__.name], stdout=subprocess.PIPE, text=True, check=True)
    return tuple(map(float, done.stdout.split()))


def large_profile(count: int = RESOURCES) -> DeviceProfile:
    kinds = ("Uint16", 1), ("Float32", 2), ("Int16", 1), ("Uint64", 4)
    resources, address = [], [0, 0]
    for number in range(count):
        (kind, size), table = kinds[number // 2 % len(kinds)], number % 2
        properties = {"valueType": kind, "readWrite": "R", **({"scale": 0.1} if number % 10 == 0 else {})}
        attributes = {
            "primaryTable": ("HOLDING_REGISTERS", "INPUT_REGISTERS")[table], "startingAddress": address[table]
        }  # fmt: skip
        resources.append({"name": f"R{number}", "properties": properties, "attributes": attributes})
        address[table] += size + 3 * (number % 7 == 0)
    operations = [{"deviceResource": one["name"]} for one in resources]
    command = {"name": "all", "readWrite": "R", "resourceOperations": operations}
    given = {"name": "large", "deviceResources": resources, "deviceCommands": [command]}
    return DeviceProfile.model_validate(given)


class _Timed(Sources):
    """The journal's part, which is measured by itself."""

    took = 0.0

    def number(self, source: Source) -> Source:
        began = time.perf_counter()
        numbered = super().number(source)
        self.took += time.perf_counter() - began
        return numbered


def main() -> None:
    protocols, profile = Switchboard(), large_profile()
    device = Device.model_validate(
        {
            "name": "large",
            "profileName": "large",
            "protocols": {"modbus-tcp": {"Address": "127.0.0.1", "Port": 502, "UnitID": 1}},
            "autoEvents": [{"interval": "1s", "sourceName": "all"}],
        }
    )
    protocols.of(device)
    store = _Timed()
    began = time.perf_counter()
    planned, problems = Planner(protocols, store).plan(device, profile, {})  # type: ignore[arg-type]
    took = time.perf_counter() - began
    (poll,) = planned.polls
    assert sum(block.cells for block in poll.plan.blocks) == RESOURCES  # type: ignore[attr-defined]
    assert all(problem.severity == "note" for problem in problems), problems
    print(1000 * (took - store.took), 1000 * store.took)


if __name__ == "__main__":
    main()
