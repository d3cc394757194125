"""What two dead units cost the ten others on their line."""

import itertools
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from tests.bench.rig import Figure, gateway, process

LIVE, DEAD = range(1, 11), range(11, 13)
EXCHANGE_S = 0.06
"""Twenty registers at 9600 baud. Ten units each second: 60 % of the line."""
WARM_S, SECONDS = 5.0, 75.0
REGISTERS = 20


def dead() -> Iterator[Figure]:
    """The periods of the ten, as the line itself sees them: with the two dead ones on it against without."""
    without = periods([*LIVE])
    beside = periods([*LIVE, *DEAD])
    growth = {name: 100 * (of(beside) / of(without) - 1) for name, of in (("mean", statistics.mean), ("p99", p99))}
    conditions = (
        f"{len(LIVE)} units each second beside {len(DEAD)} dead, {EXCHANGE_S * 1000:.0f} ms an exchange (60 % of the "
        f"line), time-out 500 ms, {SECONDS:.0f} s after {WARM_S:.0f} s, against the same without the dead"
    )
    name = "modbus.dead.neighbour_period_growth"
    yield Figure(f"{name}_percent", max(growth.values()), "%", conditions + "; the worse of mean and p99")
    for which, value in growth.items():
        yield Figure(f"{name}_{which}_percent", value, "%", conditions)


def p99(values: list[float]) -> float:
    return statistics.quantiles(values, n=100)[98]


def periods(units: list[int]) -> list[float]:
    """Seconds between two questions to the same living unit."""
    command = (sys.executable, "-m", "tests.bench.line", str(EXCHANGE_S), *map(str, LIVE))
    with process(*command, stdin=subprocess.PIPE) as line, tempfile.TemporaryDirectory() as folder:
        assert line.stdout is not None
        settings = line_folder(Path(folder), line.stdout.readline().strip(), units)
        with gateway(settings):
            time.sleep(WARM_S)
            ask(line)
            time.sleep(SECONDS)
            asked = ask(line)
    found = [b - a for unit in LIVE for a, b in itertools.pairwise(asked.get(str(unit), []))]
    print(f"  modbus.dead: {len(units)} units, {len(found)} periods", file=sys.stderr)
    return found


def ask(line: "subprocess.Popen[str]") -> dict[str, list[float]]:
    """When each unit was asked since the last time."""
    assert line.stdin is not None
    assert line.stdout is not None
    line.stdin.write("\n")
    line.stdin.flush()
    asked: dict[str, list[float]] = json.loads(line.stdout.readline())
    return asked


def line_folder(folder: Path, port: str, units: list[int]) -> Path:
    """A gateway.yaml with these units on one serial line; gives its path."""
    (folder / "profiles").mkdir()
    (folder / "devices").mkdir()
    profile = ["name: line", "deviceResources:"]
    commands = ["deviceCommands:", "  - name: all", "    readWrite: R", "    resourceOperations:"]
    for number in range(REGISTERS):
        place = f"{{ primaryTable: HOLDING_REGISTERS, startingAddress: {number} }}"
        kind = "{ valueType: Uint16, readWrite: R }"
        profile.append(f"  - {{ name: R{number}, attributes: {place}, properties: {kind} }}")
        commands.append(f"      - {{ deviceResource: R{number} }}")
    (folder / "profiles" / "line.yaml").write_text("\n".join([*profile, *commands]) + "\n")
    rows = ["deviceList:"]
    for unit in units:
        where = f"{{ Address: {port}, BaudRate: 9600, Parity: N, UnitID: {unit}, Timeout: 500ms }}"
        rows += [
            f"  - name: unit-{unit}",
            "    profileName: line",
            f"    protocols: {{ modbus-rtu: {where} }}",
            "    autoEvents: [{ interval: 1s, sourceName: all }]",
        ]
    (folder / "devices" / "line.yaml").write_text("\n".join(rows) + "\n")
    settings = folder / "gateway.yaml"
    settings.write_text(
        "gateway: { name: bench, profiles: [profiles/], devices: devices/, data: data/ }\n"
        "api: { listen: '127.0.0.1:0' }\n"
    )
    return settings
