"""The broker is away for 20 s, and in a second run the gateway is killed meanwhile: what comes back, and when."""

import signal
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.bench.rig import Broker, FarEnd, Figure, broker, devices, far_end, gateway, gateway_folder

AWAY_S = 20.0
COUNT = 20
COMMIT_S = 0.5


def cloud() -> Iterator[Figure]:
    """20 devices × 100 registers each second, broker away 20 s; then the same with kill -9 in the middle."""
    conditions = f"{COUNT} devices x 100 registers each second, broker away {AWAY_S:.0f} s"
    with devices(COUNT) as ports, tempfile.TemporaryDirectory() as folder, broker() as middle:
        settings = gateway_folder(Path(folder), ports, middle.port)
        with far_end(middle.port) as end:
            with gateway(settings):
                back, lost = _away(middle, end, lambda: time.sleep(AWAY_S), expected=AWAY_S)
            yield Figure("cloud.outage.back_after_s", back, "s", conditions + "; live value after the broker's return")
            yield Figure("cloud.outage.lost", lost, "events", conditions)
    with devices(COUNT) as ports, tempfile.TemporaryDirectory() as folder, broker() as middle:
        settings = gateway_folder(Path(folder), ports, middle.port)
        with far_end(middle.port) as end:
            yield Figure(
                "cloud.outage.lost_after_kill", _killed(settings, middle, end), "events", conditions + "; kill -9"
            )


def _away(middle: Broker, end: FarEnd, meanwhile: Any, expected: float) -> tuple[float, float]:
    time.sleep(5)
    seqs: dict[str, list[int]] = {}
    _gather(end, seqs)
    middle.stop()
    meanwhile()
    _gather(end, seqs)
    middle.start()
    returned = time.time_ns()
    back = _first_live(end, seqs, returned)
    time.sleep(10)
    _gather(end, seqs)
    return back, _missing(seqs)


def _first_live(end: FarEnd, seqs: dict[str, list[int]], since: int) -> float:
    while time.time_ns() - since < 60e9:
        came = _gather(end, seqs)
        if came["live"]:
            return (came["first_arrival"] - since) / 1e9
        time.sleep(0.1)
    return 60.0


def _gather(end: FarEnd, seqs: dict[str, list[int]]) -> dict[str, Any]:
    came = end.ask(seqs=True)
    for device, numbers in came["seqs"].items():
        seqs.setdefault(device, []).extend(numbers)
    return came


def _missing(seqs: dict[str, list[int]]) -> float:
    """Offsets between the lowest and the highest that came, of all devices together, that never came. Every offset of
    the journal is an event of one of the devices (commands and alarms are not sent as telemetry and none is made)."""
    came = {number for numbers in seqs.values() for number in numbers}
    return float(max(came) - min(came) + 1 - len(came)) if came else float("nan")


def _killed(settings: Path, middle: Broker, end: FarEnd) -> float:
    """Polls that should have come in all and did not, less those within the commit interval and while it was dead."""
    seqs: dict[str, list[int]] = {}
    with gateway(settings) as ours:
        time.sleep(5)
        _gather(end, seqs)
        middle.stop()
        time.sleep(AWAY_S / 2)
        ours.send_signal(signal.SIGKILL)
        ours.wait()
    before = _on_disk(settings)
    with gateway(settings):
        time.sleep(AWAY_S / 2)
        middle.start()
        time.sleep(15)
        _gather(end, seqs)
    came = {number for numbers in seqs.values() for number in numbers}
    lowest = min(came)
    return float(sum(1 for offset in before if offset >= lowest and offset not in came))


def _on_disk(settings: Path) -> list[int]:
    """Offsets of the events that survived the kill. What was not committed is at most the commit interval old."""
    import sqlite3

    offsets: list[int] = []
    for path in sorted((settings.parent / "data").glob("**/journal*.db")):
        with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as db:
            offsets += [row[0] for row in db.execute("SELECT offset FROM records")]
        db.close()
    return offsets
