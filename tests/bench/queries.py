"""What a question to a year of a plant takes, through REST: a day of one resource at 1 s, a month of it in buckets.

The plant has 100 resources at 1 s. The catalog has files for every day of the year; those of days that are not asked
for are links to the one whose content was made."""

import http.client
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from datastore.history.catalog import File
from datastore.history.spans import DAILY, DAY, HOUR, MINUTE, MONTHLY, SECOND
from gateway.model.profile import ValueType
from gateway.model.reading import Source
from tests.bench.rig import Figure, process, rss_mb, wait_for_port
from tests.support.histories import History
from tests.support.ports import free_port
from tests.support.records import resource

RESOURCES = 100
PARTS = 5
DAYS = 365
ASKED = 30
"""Days back from the end whose minutes are real."""
TIMES = 20
LAG_S = 62.0
_TIMES = ("start", "end", "oldest", "newest", "first_event", "last_event")
_SUMS = "min(v) AS min, max(v) AS max, avg(v) AS mean, first(v) AS first, last(v) AS last, {0}::INTEGER AS count"


def queries() -> Iterator[Figure]:
    """Two figures, and the lag of the loop meanwhile."""
    with tempfile.TemporaryDirectory() as folder:
        end = int(time.time()) * SECOND // DAY * DAY
        _plant(Path(folder) / "data" / "history", end)
        port = free_port()
        config = Path(folder) / "gateway.yaml"
        (Path(folder) / "devices").mkdir()
        kept = {"raw": "800d", "minute": "800d", "hour": "3650d", "max_bytes": "1TB"}
        config.write_text(json.dumps({"api": {"listen": f"127.0.0.1:{port}"}, "history": kept}))
        with process(sys.executable, "-m", "gateway", "run", "--config", str(config)) as gateway:
            wait_for_port(port, 30)
            day = f"start={end - DAY}&end={end}"
            month = f"start={end - ASKED * DAY}&end={end}&bucket=5m&of=mean,min,max,last,count,good"
            what = f"{DAYS} days of {RESOURCES} resources at 1 s; JSON through REST, median of {TIMES}, each of another"
            took, size = _ask(port, day)
            yield Figure("query.day_of_1s.ms", took, "ms", f"{what}; 86,400 readings, {size / 1e6:.1f} MB")
            took, size = _ask(port, month)
            yield Figure("query.bucketed_month.ms", took, "ms", f"{what}; {ASKED} days in buckets of 5 min")
            end_of_minute = time.monotonic() + LAG_S
            while time.monotonic() < end_of_minute:  # the loop's lag is told of the last minute
                _ask(port, day, 5)
                _ask(port, month, 5)
            lag = _lag(port) * 1000
            yield Figure("query.loop_lag_p99_ms", lag, "ms", "of a minute in which one question followed the other")
            yield Figure("query.gateway_rss_mb", rss_mb(gateway.pid), "MB", "after them; without devices")


def _ask(port: int, parameters: str, times: int = TIMES) -> tuple[float, int]:
    """Median ms, and bytes of an answer."""
    took, size = [], 0
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    for n in range(times + 1):
        began = time.perf_counter()
        connection.request("GET", f"/gateway/api/v1/history/meter/R{n * 7 % RESOURCES}?{parameters}")
        answer = connection.getresponse()
        size = len(answer.read())
        assert answer.status == 200
        took.append((time.perf_counter() - began) * 1000)
    connection.close()
    return statistics.median(took[1:]), size


def _lag(port: int) -> float:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("GET", "/metrics")
    lines = connection.getresponse().read().decode().splitlines()
    connection.close()
    return max(float(line.rpartition(" ")[2]) for line in lines if "loop_lag_p99" in line and line[0] != "#")


def _plant(folder: Path, end: int) -> None:
    history = History(folder)
    resources = tuple(resource(f"R{n}", ValueType.FLOAT64) for n in range(RESOURCES))
    first = history.source(Source("device-modbus", "plant", "meter", "all", resources))
    width = RESOURCES // PARTS
    for part in range(PARTS):
        low = first + part * width
        rows = (
            f'SELECT series, origin, NULL event, (origin - {end - DAY}) // {SECOND} + 1 "offset", '
            f"round(20 + series + 5 * sin(origin / 3.6e12 + series), 2) AS value, NULL exact, NULL quality FROM "
            f"range({low}, {low + width}) s(series), range({end - DAY}, {end}, {SECOND}) t(origin)"
        )
        _link(history, history.write("raw", rows, DAILY), end)
    for day in range(ASKED + 1):
        start = end - (day + 1) * DAY
        made = history.write("minute", _summed(first, start, start + DAY, MINUTE), DAILY)
    _link(history, made, end - ASKED * DAY)
    for month in range(12):
        start = end - (month + 1) * 30 * DAY
        history.write("hour", _summed(first, start, start + 30 * DAY, HOUR), MONTHLY)
    history.cursor(DAYS * 86_400)
    history.close()


def _summed(first: int, start: int, end: int, width: int) -> str:
    inner = (
        f"SELECT series, moment AS origin, 20 + series + sin(moment / 3.6e12) AS v FROM "
        f"range({first}, {first + RESOURCES}) s(series), range({start}, {end}, {width}) t(moment)"
    )
    counts = f"{width // SECOND}::INTEGER good, {width // SECOND}::INTEGER valued"
    return f"SELECT series, origin, {_SUMS.format(width // SECOND)}, {counts} FROM ({inner}) GROUP BY ALL"


def _link(history: History, made: File, end: int) -> None:
    """The same for every day before."""
    linked = []
    for day in range(1, DAYS):
        shift = made.start - (end - (day + 1) * DAY)
        name = f"{day}-{made.name}"
        history.catalog.path(replace(made, name=name)).hardlink_to(history.catalog.path(made))
        moved = {key: getattr(made, key) - shift for key in _TIMES}
        if moved["end"] < made.end:
            linked.append(replace(made, id=0, name=name, **moved))
    with history.catalog.change():
        history.catalog.add(linked)
