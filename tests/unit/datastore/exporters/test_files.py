"""Files: whole rows only, finished files whole, cells that no spreadsheet runs, trouble told."""

import asyncio
import csv
import gzip
import io
import json
import os
import threading
from pathlib import Path
from typing import Any

import pytest

from gateway.model.contracts import Exporter
from gateway.model.errors import NotConnected
from gateway.model.profile import ValueType
from gateway.model.reading import Event, Quality, Source
from tests.contract.exporter_peers import made
from tests.support.journals import eventually
from tests.support.records import ORIGIN, event, message, resource, source

V = ValueType


def files(folder: Path, **settings: Any) -> Exporter:
    return made("files", folder=folder, **settings)


async def sent(exporter: Exporter, batch: list[Any]) -> None:
    await exporter.connect()
    await exporter.send(batch)
    await exporter.close()


def found(folder: Path, pattern: str) -> list[Path]:
    return sorted(folder.glob(pattern))


def table(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline="")))


async def test_rows_are_on_disk_when_they_are_acknowledged(tmp_path: Path) -> None:
    await sent(files(tmp_path), [event(source(), 1), event(source(), 2)])
    rows = table((tmp_path / "plant.csv.part").read_text())
    assert [(row["device"], row["resource"], row["value"]) for row in rows] == [
        ("meter", "Voltage", "1"), ("meter", "Current", "1"), ("meter", "Voltage", "2"), ("meter", "Current", "2"),
    ]  # fmt: skip
    assert rows[0]["time"] == "2025-11-20T10:40:01.000000000Z"
    assert len({row["id"] for row in rows}) == 4
    await sent(files(tmp_path), [event(source(), 3)])
    assert len(table((tmp_path / "plant.csv.part").read_text())) == 6, "it goes on where it was"


async def test_no_cell_is_a_formula(tmp_path: Path) -> None:
    """T28."""
    texts = ["=1+1", "+cmd", "-2+3", "@x", "\tx", "\rx", "＝1", "'quoted", "-12.5", 'plain, with "quotes"\nand lines']
    of = Source("s", "p", "=d()", "all", tuple(resource(f"r{n}", V.STRING) for n in range(len(texts))))
    await sent(files(tmp_path), [Event(of, ORIGIN, texts)])
    with (tmp_path / "plant.csv.part").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert all(row["value"][0] not in "=+@\t\r＝" for row in rows)
    assert [row["value"].removeprefix("'") for row in rows][:4] == texts[:4]
    assert rows[8]["value"] == "-12.5"
    assert rows[9]["value"] == texts[9]
    assert rows[0]["device"] == "'=d()"


async def test_columns_of_ones_own_and_quality(tmp_path: Path) -> None:
    columns = {"tag": "resource", "q": "quality", "why": "reason", "v": "value"}
    one = Event(source(), ORIGIN, [None, 5], quality={0: Quality("bad", "timeout")})
    await sent(files(tmp_path, columns=columns), [one])
    text = (tmp_path / "plant.csv.part").read_bytes().decode()
    assert text == "tag,q,why,v\r\nVoltage,bad,timeout,\r\nCurrent,good,,5\r\n"
    await sent(files(tmp_path), [one])  # other columns: the file is finished, another begun
    assert len(found(tmp_path, "plant-*.csv")) == 1
    assert len(table((tmp_path / "plant.csv.part").read_text())) == 2


async def test_a_line_cut_by_a_crash_is_taken_off(tmp_path: Path) -> None:
    await sent(files(tmp_path, format="jsonl"), [event(source(), 1)])
    part = tmp_path / "plant.jsonl.part"
    part.write_bytes(part.read_bytes() + b'{"time":"2025')
    await sent(files(tmp_path, format="jsonl"), [event(source(), 2)])
    assert [json.loads(line)["value"] for line in part.read_text().splitlines()] == [1, 1, 2, 2]


async def test_a_cell_of_many_lines_cut_by_a_crash_is_taken_off(tmp_path: Path) -> None:
    of = Source("s", "p", "meter", "all", (resource("Text", V.STRING),))
    await sent(files(tmp_path), [Event(of, ORIGIN, ['one "1"\r\ntwo'])])
    part = tmp_path / "plant.csv.part"
    whole = part.read_bytes()
    second = whole[whole.index(b"\r\n") + 2 :]
    for cut in range(1, len(second)):
        part.write_bytes(whole + second[:cut])
        await sent(files(tmp_path), [Event(of, ORIGIN + 1, ["three"])])
        rows = list(csv.DictReader(io.StringIO(part.read_bytes().decode(), newline="")))
        assert [row["value"] for row in rows] == ['one "1"\r\ntwo', "three"], second[:cut]


async def test_a_disk_that_hangs_does_not_hold_up_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    go, hung = threading.Event(), threading.Event()
    fsync = os.fsync

    def hang(file: int) -> None:
        hung.set()
        go.wait(20)
        fsync(file)

    exporter = files(tmp_path, format="jsonl")
    await exporter.connect()
    monkeypatch.setattr("datastore.exporters.files.CLOSE_S", 0.1)
    monkeypatch.setattr("datastore.exporters.files.os.fsync", hang)
    sending = asyncio.create_task(exporter.send([event(source(), 1)]))
    await asyncio.to_thread(hung.wait, 10)
    sending.cancel()
    async with asyncio.timeout(5):
        await exporter.close()
    again = asyncio.create_task(sent(files(tmp_path, format="jsonl"), [event(source(), 2)]))
    await asyncio.sleep(0.2)
    assert not again.done(), "one at a time works on a file"
    go.set()
    await again
    lines = (tmp_path / "plant.jsonl.part").read_text().splitlines()
    assert [json.loads(line)["value"] for line in lines] == [1, 1, 2, 2]


async def test_what_a_killed_conversion_left_is_removed(tmp_path: Path) -> None:
    left = tmp_path / "plant-20260101T000000.000000Z.parquet.tmp"
    other = tmp_path / "plant-2-20260101T000000.000000Z.parquet.tmp"
    for path in (left, other):
        path.write_bytes(b"half")
    await sent(files(tmp_path, format="parquet"), [event(source(), 1)])
    assert not left.exists()
    assert other.exists(), "it is another exporter's"


async def test_a_file_large_enough_is_finished_and_appears_whole(tmp_path: Path) -> None:
    exporter = files(tmp_path, format="jsonl", max_bytes="10kB", gzip=True, keep=2)
    await exporter.connect()
    for n in range(40):
        await exporter.send([event(source(), n * 20 + k) for k in range(20)])
    await exporter.close()
    finished = found(tmp_path, "plant-*.jsonl.gz")
    assert len(finished) == 2, "only the newest are kept"
    assert not found(tmp_path, "*.tmp")
    last = [json.loads(line) for line in gzip.decompress(finished[-1].read_bytes()).splitlines()]
    part = [json.loads(line) for line in (tmp_path / "plant.jsonl.part").read_text().splitlines()]
    assert [row["value"] for row in (*last, *part)][-40:] == [n for n in range(780, 800) for _ in "ab"]


async def test_an_old_file_is_finished_though_nothing_comes(tmp_path: Path) -> None:
    exporter = files(tmp_path, max_age="1s")
    await exporter.connect()
    await exporter.send([event(source(), 1)])
    watching = asyncio.create_task(exporter.lost())
    await eventually(lambda: bool(found(tmp_path, "plant-*.csv")), seconds=20)
    await exporter.send([event(source(), 2)])
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)
    await exporter.close()
    (finished,) = found(tmp_path, "plant-*.csv")
    assert len(table(finished.read_text())) == len(table((tmp_path / "plant.csv.part").read_text())) == 2


async def test_parquet_has_numbers_and_exact_text(tmp_path: Path) -> None:
    duckdb = pytest.importorskip("duckdb")
    of = Source(
        "s",
        "p",
        "d'",
        "all",
        tuple(resource(n, k) for n, k in (("f", V.FLOAT64), ("u", V.UINT64), ("t", V.STRING), ("b", V.BOOL))),
    )
    batch = [Event(of, ORIGIN + 7, [0.1 + 0.2, 2**64 - 1, "say 'x'", True])]
    exporter = files(tmp_path, format="parquet", max_bytes="10kB", columns={"t": "time", "r": "resource", "v": "value"})
    await exporter.connect()
    await exporter.send(batch)
    await exporter.send([event(source(), n) for n in range(200)])
    await exporter.send([event(source(), 1)])
    await exporter.close()
    (finished,) = found(tmp_path, "plant-*.parquet")
    with duckdb.connect() as db:
        rows = db.execute(f"SELECT r, v, v_text, epoch_ns(t) FROM '{finished}' LIMIT 4").fetchall()
        assert db.execute(f"SELECT count(*) FROM '{finished}'").fetchone() == (404,)
    assert rows == [
        ("f", 0.1 + 0.2, None, ORIGIN + 7),
        ("u", float(2**64 - 1), str(2**64 - 1), ORIGIN + 7),
        ("t", None, "say 'x'", ORIGIN + 7),
        ("b", 1.0, None, ORIGIN + 7),
    ]


async def test_messages_have_rows_too(tmp_path: Path) -> None:
    await sent(files(tmp_path, only={"messages": ["alarm"]}), [message(1), event(source(), 1)])
    rows = table((tmp_path / "plant.csv.part").read_text())
    assert (rows[0]["kind"], rows[0]["name"], json.loads(rows[0]["body"])["state"]) == ("alarm", "Hot", "raised")
    assert rows[1]["resource"] == "Voltage"


@pytest.mark.skipif(os.geteuid() == 0 and not Path("/proc/sys").exists(), reason="no folder that refuses")
async def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    for folder in (tmp_path / "file" / "below", Path("/proc/sys/nothing")):
        exporter = files(folder)
        with pytest.raises(NotConnected, match="cannot be written"):
            await exporter.connect()
        with pytest.raises(NotConnected):
            await exporter.send([event(source(), 1)])
        await exporter.close()
