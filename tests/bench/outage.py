"""The broker is away for 20 s, and in a second run the gateway is killed meanwhile: what comes back, and when."""

import signal
import sqlite3
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from typing import Any

from tests.bench.rig import Broker, FarEnd, Figure, broker, devices, far_end, gateway, gateway_folder

AWAY_S = 20.0
COUNT = 20
PERIOD_S = 1.0
COMMIT_S = 0.5
JITTER_S = 0.1
"""How far a stamp may be from its poll's turn."""

Seqs = dict[str, dict[int, int]]
"""By device, the number and the stamp (ns) of each event that came, however often."""


def cloud() -> Iterator[Figure]:
    """20 devices × 100 registers each second, broker away 20 s; then the same with kill -9 in the middle."""
    conditions = f"{COUNT} devices x 100 registers each second, broker away {AWAY_S:.0f} s"
    with devices(COUNT) as ports, tempfile.TemporaryDirectory() as folder, broker() as middle:
        settings = gateway_folder(Path(folder), ports, middle.port)
        with far_end(middle.port) as end:
            seqs: Seqs = {}
            with gateway(settings):
                back = _away(middle, end, seqs)
            yield Figure("cloud.outage.back_after_s", back, "s", conditions + "; live value after the broker's return")
            yield Figure("cloud.outage.lost", _missing(seqs), "events", conditions)
    with devices(COUNT) as ports, tempfile.TemporaryDirectory() as folder, broker() as middle:
        settings = gateway_folder(Path(folder), ports, middle.port)
        with far_end(middle.port) as end:
            yield Figure(
                "cloud.outage.lost_after_kill", _killed(settings, middle, end), "events", conditions + "; kill -9"
            )


def _away(middle: Broker, end: FarEnd, seqs: Seqs) -> float:
    """Seconds from the broker's return to the first live value."""
    time.sleep(5)
    _gather(end, seqs)
    middle.stop()
    time.sleep(AWAY_S)
    _gather(end, seqs)
    middle.start()
    back = _first_live(end, seqs, time.time_ns())
    time.sleep(10)
    _gather(end, seqs)
    return back


def _first_live(end: FarEnd, seqs: Seqs, since: int) -> float:
    while time.time_ns() - since < 60e9:
        came = _gather(end, seqs)
        if came["live"]:
            return float(came["first_arrival"] - since) / 1e9
        time.sleep(0.1)
    return 60.0


def _gather(end: FarEnd, seqs: Seqs) -> dict[str, Any]:
    came = end.ask(seqs=True)
    for device, events in came["seqs"].items():
        seqs.setdefault(device, {}).update(events)
    return came


def _missing(seqs: Seqs, upto: float | None = None) -> float:
    """Polls that were due between a device's first and last event, or `upto` (ns), and that did not come: never made,
    or made and lost. A device of which nothing came is no measurement."""
    if len(seqs) < COUNT:
        raise ValueError(f"only {len(seqs)} of {COUNT} devices came at all")
    missing = 0
    for events in seqs.values():
        stamps = sorted(events.values())
        if upto is not None:
            stamps = [stamp for stamp in stamps if stamp < upto]
            missing += int((upto - stamps[-1]) / 1e9 / PERIOD_S - JITTER_S)
        gaps = [(after - before) / 1e9 / PERIOD_S for before, after in pairwise(stamps)]
        missing += sum(max(0, round(gap) - 1) for gap in gaps)  # below a period: read besides the polls
    return float(missing)


def _killed(settings: Path, middle: Broker, end: FarEnd) -> float:
    """Polls made longer than the commit interval before the kill, and all that were on disk, less what came."""
    seqs: Seqs = {}
    with gateway(settings) as ours:
        time.sleep(5)
        _gather(end, seqs)
        middle.stop()
        time.sleep(AWAY_S / 2)
        killed = time.time_ns()
        ours.send_signal(signal.SIGKILL)
        ours.wait()
    kept = _on_disk(settings)
    with gateway(settings):
        time.sleep(AWAY_S / 2)
        middle.start()
        time.sleep(15)
        _gather(end, seqs)
    came = {number for events in seqs.values() for number in events}
    lowest = min(came)
    forgotten = sum(lowest <= offset and offset not in came for offset in kept)
    return max(_missing(seqs, killed - COMMIT_S * 1e9), float(forgotten))


def _on_disk(settings: Path) -> list[int]:
    """Offsets of the events that survived the kill."""
    paths = sorted((settings.parent / "data").glob("**/journal-*.db"))
    if not paths:
        raise FileNotFoundError(f"no journal under {settings.parent}")
    offsets: list[int] = []
    for path in paths:
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
            offsets += [row[0] for row in db.execute("SELECT offset FROM records WHERE source > 0")]
    return offsets
