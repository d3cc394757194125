"""Small durable facts: on disk when put returns, expiry, one transaction for many, a disk that refuses."""

import asyncio
import contextlib
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from datastore.state import SWEEP_S, SqliteState, read_table
from gateway.model.errors import ConfigError, StoreFailed
from tests.support.clock import MovingClock
from tests.support.journals import Alarms


@contextlib.asynccontextmanager
async def state(path: Path, clock: MovingClock, alarms: Alarms | None = None) -> AsyncIterator[SqliteState]:
    made = SqliteState(path, clock, alarms)
    await made.open()
    try:
        yield made
    finally:
        await made.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "state.db"


def write_file(path: Path, content: bytes) -> None:
    path.parent.mkdir()
    path.write_bytes(content)


def read_file(path: str) -> bytes:
    return Path(path).read_bytes()


async def test_put_get_remove_over_a_restart(path: Path, clock: MovingClock) -> None:
    async with state(path, clock) as facts:
        await facts.put("twins", {"a": {"v": [1, None, "ü", 2**60]}, "b": 0.1})
        await facts.put("other", {"a": 1})
        assert facts.all("twins") == {"a": {"v": [1, None, "ü", 2**60]}, "b": 0.1}
        await facts.remove("twins", ["b", "never"])
    async with state(path, clock) as facts:
        assert facts.all("twins") == {"a": {"v": [1, None, "ü", 2**60]}}
        assert facts.get("twins", "b") is None
        assert facts.get("other", "a") == 1
        assert facts.all("none") == {}
    assert read_table(path, "other") == {"a": 1}


async def test_it_is_on_disk_when_put_returns(path: Path, clock: MovingClock) -> None:
    async with state(path, clock) as facts:
        await facts.put("ledger", {"c1": "done"})
        with contextlib.closing(sqlite3.connect(path)) as db:
            assert db.execute("SELECT value FROM facts").fetchall() == [('"done"',)]
            assert db.execute("PRAGMA journal_mode").fetchone() == ("wal",)


async def test_what_is_got_is_a_copy(path: Path, clock: MovingClock) -> None:
    async with state(path, clock) as facts:
        given = {"n": [1]}
        await facts.put("t", {"k": given})
        given["n"].append(2)
        facts.get("t", "k")["n"].append(3)  # type: ignore[index]
        assert facts.get("t", "k") == {"n": [1]}


async def test_puts_at_the_same_time_share_a_transaction(path: Path, clock: MovingClock) -> None:
    async with state(path, clock) as facts:
        writes = 0
        write = facts._write

        def counted(*args: object) -> None:
            nonlocal writes
            writes += 1
            write(*args)  # type: ignore[arg-type]

        facts._write = counted  # type: ignore[method-assign]
        await asyncio.gather(*(facts.put("t", {f"k{n}": n}) for n in range(200)), facts.remove("t", ["k7"]))
        assert len(facts.all("t")) == 199
        assert writes <= 3


async def test_later_wins(path: Path, clock: MovingClock) -> None:
    async with state(path, clock) as facts:
        await asyncio.gather(*(facts.put("t", {"k": n}) for n in range(20)))
        assert facts.get("t", "k") == 19
    async with state(path, clock) as facts:
        assert facts.get("t", "k") == 19


async def test_expired_facts_vanish(path: Path, clock: MovingClock) -> None:
    async with state(path, clock) as facts:
        await facts.put("ledger", {"c1": 1}, clock.now() + 10 * 10**9)
        await facts.put("ledger", {"c2": 2})
        assert set(facts.all("ledger")) == {"c1", "c2"}
        await clock.advance(11)
        assert facts.get("ledger", "c1") is None
        assert set(facts.all("ledger")) == {"c2"}
        await clock.advance(SWEEP_S)
        await facts.put("ledger", {"c3": 3})
    assert set(read_table(path, "ledger")) == {"c2", "c3"}


async def test_a_clock_that_is_wrong_lets_nothing_expire(path: Path, clock: MovingClock) -> None:
    async with state(path, clock) as facts:
        await facts.put("ledger", {"c1": 1}, clock.now() + 10 * 10**9)
        clock.trust = False
        clock.step_wall(86400)
        await facts.put("ledger", {"c2": 2})
        assert facts.get("ledger", "c1") == 1
    assert set(read_table(path, "ledger")) == {"c1", "c2"}


async def test_who_gives_up_waiting_spoils_nothing(path: Path, clock: MovingClock) -> None:
    async with state(path, clock) as facts:
        asked = [asyncio.create_task(facts.put("t", {str(n): n})) for n in range(5)]
        await asyncio.sleep(0)
        asked[2].cancel()
        await asyncio.gather(*asked, return_exceptions=True)
        assert set(facts.all("t")) >= {"0", "1", "3", "4"}


async def test_what_json_cannot_say_is_refused_by_itself(path: Path, clock: MovingClock) -> None:
    async with state(path, clock) as facts:
        with pytest.raises(TypeError):
            await facts.put("t", {"k": object()})
        with pytest.raises(ValueError, match="JSON"):
            await facts.put("t", {"k": float("nan")})
        await facts.put("t", {"k": 1})


@pytest.mark.parametrize(
    "content", [b"this is no database, only some text" * 100, b"SQLite format 3\x00" + b"\xff" * 5000]
)
async def test_a_damaged_file_is_moved_aside(path: Path, clock: MovingClock, content: bytes) -> None:
    write_file(path, content)
    alarms = Alarms()
    async with state(path, clock, alarms) as facts:
        assert facts.all("t") == {}
        await facts.put("t", {"k": 1})
        assert read_file(facts.moved_aside) == content
    assert alarms.names() == ["state-damaged"]
    async with state(path, clock, alarms) as facts:
        assert facts.get("t", "k") == 1
    assert len(alarms) == 1


async def test_another_version_is_refused(path: Path, clock: MovingClock) -> None:
    async with state(path, clock):
        pass
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA user_version=7")
    made = SqliteState(path, clock)
    with pytest.raises(ConfigError, match="format 7"):
        await made.open()
    await made.close()


async def test_where_no_file_can_be_puts_fail_until_it_can(path: Path, clock: MovingClock) -> None:
    path.parent.write_text("a file where the folder should be")
    async with state(path, clock) as facts:
        with pytest.raises(StoreFailed, match="cannot be written"):
            await facts.put("t", {"k": 1})
        assert facts.get("t", "k") is None, "what is not on disk is not told"
        path.parent.unlink()
        path.parent.mkdir()
        await facts.put("t", {"k": 2})
    assert read_table(path, "t") == {"k": 2}
    assert read_table(path.with_name("none.db"), "t") == {}
