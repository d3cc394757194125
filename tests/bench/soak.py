"""Does it grow? 200 devices, a tenth of them flapping, then all of them off over a weekend; on a hastened clock.

Nothing but a leak grows without end, and a leak is by cycle, by poll or by back-off, not by hour. So the hours are
compressed: each loss and each return is a real one, on a real socket, and the conditions say how many there were."""

import contextlib
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.bench.rig import Figure, process, rss_mb

DEVICES = 200
FLAPPING = 20
FLAP_S = 7.0
"""T12: as long as it is there half of the time, and away for the other half."""
RATE = 100.0
"""As many times as fast as the machine's the gateway's clock runs."""
WARM_S, RUN_S, OFF_WARM_S, OFF_S, LOOK_S = 45.0, 70.0, 18.0, 12.0, 8.0
"""Seconds, real ones: before the first look, between the looks, the same while all are off, and of a look. Two hundred
that fail at once need a little more room than a tenth of them: it is filled before the first look, too."""
BACK_S = 20.0
"""The longest back-off is 0.3 s of it, a period 0.2 s; the rest is for the machine."""
PROFILE = """name: soak
deviceResources:
"""
RESOURCE = """  - name: R{0}
    attributes: {{ primaryTable: HOLDING_REGISTERS, startingAddress: {0} }}
    properties: {{ valueType: Uint16, readWrite: R }}
"""
DEVICE = """  - name: device-{number}
    profileName: soak
    protocols: {{ modbus-tcp: {{ Address: 127.0.0.1, Port: {port}, UnitID: 1, Timeout: {patience}s }} }}
    autoEvents: [{{ interval: {interval}s, sourceName: all }}]
"""
PATIENCE_S = 2
"""Time-out of the devices in real seconds: what is measured is growth, not how soon a busy machine answers."""


@dataclass(frozen=True, slots=True)
class Look:
    """The gateway over some seconds: medians, and the counts at the end."""

    rss_mb: float
    tasks: float
    threads: float
    files: float
    objects: float
    said: dict[str, Any]


class Watched:
    """A process that answers for its state, seen from outside as well."""

    def __init__(self, running: subprocess.Popen[str]) -> None:
        self._running = running

    def ask(self, line: str = "") -> str:
        assert self._running.stdin is not None
        assert self._running.stdout is not None
        self._running.stdin.write(line + "\n")
        self._running.stdin.flush()
        answer = self._running.stdout.readline()
        if not answer:
            raise ChildProcessError(f"it ended with {self._running.wait(10)}")
        return answer

    def state(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.ask())
        return found

    def look(self, seconds: float = LOOK_S) -> Look:
        own, pid = Path(f"/proc/{self._running.pid}"), self._running.pid
        rows = []
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            said = self.state()
            counts = _entries(own / "task"), _entries(own / "fd")
            rows.append((rss_mb(pid), said["tasks"], *counts, said["objects"]))
            time.sleep(0.5)
        return Look(*(statistics.median(column) for column in zip(*rows, strict=True)), said=said)  # type: ignore[arg-type]


def soak() -> Iterator[Figure]:
    with _world() as (doors, ours):
        doors.ask(f"flap {FLAPPING} {FLAP_S / RATE}")
        time.sleep(WARM_S)
        before = ours.look()
        time.sleep(RUN_S)
        after = ours.look()
        gone = int(doors.ask("off"))
        time.sleep(OFF_WARM_S)
        off = ours.look()
        time.sleep(OFF_S)
        still = ours.look()
        doors.ask("on")
        _all_back(ours)
        home = ours.look()
    _flat(before, after)
    _flat(off, still)
    _flat(before, home)
    conditions = _conditions(before, after, gone)
    yield Figure("modbus.soak.rss_growth_percent", _growth(before, after), "%", conditions)
    tried = still.said["connects"] - after.said["connects"]
    conditions = (
        f"then all {DEVICES} devices are off ({_hours(after, still):.1f} h of that clock, {tried} tries) and come "
        f"back: {off.rss_mb:.1f} MB when each had been tried many times, {still.rss_mb:.1f} MB at the end, "
        f"{home.rss_mb:.1f} MB when all are back"
    )
    yield Figure("modbus.soak.off_growth_percent", _growth(off, still), "%", conditions)


def _conditions(before: Look, after: Look, gone: int) -> str:
    reads, tried = (after.said[key] - before.said[key] for key in ("reads", "connects"))
    return (
        f"{DEVICES} devices, {FLAPPING} flapping every {FLAP_S:g} s, gateway's clock {RATE:g} times as fast, real "
        f"sockets and journal (full: oldest records go); {gone} losses and returns in all, as one device has in "
        f"{gone * FLAP_S / 3600:.0f} h; between the looks {tried} tries to connect and {reads} polls in "
        f"{_hours(before, after):.1f} h; tasks {before.tasks:.0f} and {after.tasks:.0f}, threads {before.threads:.0f} "
        f"and {after.threads:.0f}, files {before.files:.0f} and {after.files:.0f}, {before.rss_mb:.1f} MB and "
        f"{after.rss_mb:.1f} MB"
    )


def _hours(one: Look, other: Look) -> float:
    """Between two looks, of the gateway's clock."""
    return float(other.said["clock_s"] - one.said["clock_s"]) / 3600


def _growth(before: Look, after: Look) -> float:
    return 100 * (after.rss_mb / before.rss_mb - 1)


def _flat(before: Look, after: Look) -> None:
    """Medians of what may differ by what is open at the moment only."""
    assert after.threads <= before.threads, (before, after)
    assert abs(after.tasks - before.tasks) <= 3, (before, after)
    assert after.files <= before.files + FLAPPING, (before, after)
    assert after.said["journal"] == "ok", after


def _entries(folder: Path) -> int:
    return sum(1 for _ in folder.iterdir())


def _all_back(ours: Watched) -> None:
    """Raises TimeoutError."""
    end = time.monotonic() + BACK_S
    while (said := ours.state())["online"] < DEVICES:
        if time.monotonic() > end:
            raise TimeoutError(f"only {said['online']} of {DEVICES} devices are back")
        time.sleep(0.1)


@contextlib.contextmanager
def _world() -> Iterator[tuple[Watched, Watched]]:
    """The devices and the gateway."""
    flapping = (sys.executable, "-m", "tests.bench.flapping", str(DEVICES))
    with tempfile.TemporaryDirectory() as name, process(*flapping, stdin=subprocess.PIPE) as doors:
        folder = Path(name)
        assert doors.stdout is not None
        settings = _folder(folder, [int(port) for port in doors.stdout.readline().split()])
        command = (sys.executable, "-m", "tests.bench.hastened", "--config", str(settings), "--rate", str(RATE))
        with (folder / "log").open("w") as log, process(*command, stdin=subprocess.PIPE, stderr=log) as ours:
            yield Watched(doors), Watched(ours)


def _folder(folder: Path, ports: list[int]) -> Path:
    (folder / "profiles").mkdir()
    (folder / "devices").mkdir()
    command = "deviceCommands:\n  - name: all\n    readWrite: R\n    resourceOperations:\n"
    command += "".join(f"      - {{ deviceResource: R{i} }}\n" for i in range(10))
    text = PROFILE + "".join(RESOURCE.format(i) for i in range(10)) + command
    (folder / "profiles" / "soak.yaml").write_text(text)
    rows = [
        DEVICE.format(number=n, port=port, patience=PATIENCE_S * RATE, interval=2 if n < FLAPPING else 20)
        for n, port in enumerate(ports)
    ]
    (folder / "devices" / "soak.yaml").write_text("deviceList:\n" + "".join(rows))
    settings = folder / "gateway.yaml"
    settings.write_text(
        "gateway: { name: soak, profiles: [profiles/], devices: devices/, data: data/ }\n"
        "journal: { max_bytes: 20MB, commit: 30s }\napi: { listen: '127.0.0.1:0' }\n"
    )
    return settings
