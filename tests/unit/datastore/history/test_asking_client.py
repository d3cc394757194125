"""The processes that answer: started on need, ended when idle, killed and started again when one gets out of hand."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from datastore.history.asking import client, frames
from datastore.history.asking.client import AskedHistory, AskedJournal, Asker, Chunks
from datastore.history.asking.settings import AskSettings
from datastore.history.catalog import Tombstone
from gateway.model.asking import Answer, Sql, Values
from gateway.model.errors import QuestionRefused
from gateway.runtime.clock import SystemClock
from tests.support.journals import eventually, journal
from tests.support.records import event, source

pytest.importorskip("duckdb")
ENDLESS = "SELECT count(*) FROM range(1000000000000) a(i), range(1000) b(j) WHERE i % 7 = j % 5"


async def nobody(tombstones: Sequence[Tombstone]) -> None:
    raise AssertionError(tombstones)


async def body(answer: Answer) -> bytes:
    return b"".join([chunk async for chunk in answer.chunks])


@asynccontextmanager
async def asker(folder: Path, **settings: str) -> AsyncIterator[Asker]:
    made = Asker("test", folder, AskSettings(**settings), SystemClock(), history=True)
    try:
        yield made
    finally:
        await made.close()


async def test_what_was_just_appended_is_in_the_answer(tmp_path: Path) -> None:
    clock = SystemClock()
    async with journal(tmp_path / "journal", clock) as store:
        history = AskedHistory(tmp_path, store, AskSettings(), clock, nobody)
        store.append([event(source(), 1, [4, 5])])
        answer = await history.ask(Values("meter", "Current", 0, 2**62))
        assert b'"value":[5]' in await body(answer)
        counted = await history.ask(Sql("SELECT count(*) AS n FROM readings", "csv"))
        assert (counted.media, await body(counted)) == ("text/csv; charset=utf-8", b"n\n2\n")
        await history.close()


async def test_without_a_history_the_journal_answers_and_says_what_it_cannot(tmp_path: Path) -> None:
    clock = SystemClock()
    async with journal(tmp_path / "journal", clock) as store:
        asked = AskedJournal(tmp_path, store, clock)
        store.append([event(source(), 1, [4, 5])])
        assert b'"value":[5]' in await body(await asked.ask(Values("meter", "Current", 0, 2**62)))
        assert not [name for name in ("duckdb", "numpy") if name in mapped(pid(asked._people))]
        for question in (Sql("SELECT 1"), Values("meter", "Current", 0, 2**62, form="arrow")):
            with pytest.raises(QuestionRefused, match=r"install southgate\[history\] and add `history") as refused:
                await asked.ask(question)
            assert refused.value.code == 501
        await asked.close()


async def test_a_large_answer_comes_as_a_file_that_is_gone_afterwards(tmp_path: Path) -> None:
    async with asker(tmp_path) as asked:
        answer = await asked.ask(Sql("SELECT i FROM range(90000) r(i)"))
        assert isinstance(answer.chunks, Chunks)
        assert not [one for one in (tmp_path / "answers").rglob("*") if one.is_file()]
        whole = await body(answer)
        assert len(whole) == answer.size > frames.INLINE
        await (await asked.ask(Sql("SELECT i FROM range(90000) r(i)"))).chunks.aclose()  # type: ignore[attr-defined]


async def test_a_process_that_was_killed_is_started_again(tmp_path: Path) -> None:
    async with asker(tmp_path) as asked:
        await asked.ask(Sql("SELECT 1"))
        os.kill(pid(asked), signal.SIGKILL)
        assert b"[[2]]" in await body(await asked.ask(Sql("SELECT 2")))


async def test_one_killed_in_the_middle_of_a_question_is_asked_again_once(tmp_path: Path) -> None:
    async with asker(tmp_path) as asked:
        await asked.ask(Sql("SELECT 1"))
        question = asyncio.create_task(asked.ask(Sql(ENDLESS)))
        await asyncio.sleep(0)
        first = pid(asked)
        os.kill(first, signal.SIGKILL)
        await eventually(lambda: pid(asked) not in (0, first))
        os.kill(pid(asked), signal.SIGKILL)
        with pytest.raises(QuestionRefused, match="ended twice"):
            await question


async def test_nobody_waits_for_longer_than_is_allowed(tmp_path: Path) -> None:
    async with asker(tmp_path, timeout="1s") as asked:
        with pytest.raises(QuestionRefused, match="longer than 1 s") as refused:
            await asked.ask(Sql(ENDLESS))
        assert refused.value.code == 504
        await asked.ask(Sql("SELECT 1"))


async def test_a_process_that_hangs_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "GRACE_S", 0.1)
    async with asker(tmp_path, timeout="1s") as asked:
        await asked.ask(Sql("SELECT 1"))
        stuck = pid(asked)
        os.kill(stuck, signal.SIGSTOP)
        with pytest.raises(QuestionRefused, match="broken off"):
            await asked.ask(Sql("SELECT 1"))
        assert pid(asked) == 0
        with pytest.raises(ProcessLookupError):
            os.kill(stuck, 0)
        await asked.ask(Sql("SELECT 1"))


async def test_whoever_no_longer_waits_ends_his_question(tmp_path: Path) -> None:
    async with asker(tmp_path) as asked:
        await asked.ask(Sql("SELECT 1"))
        question = asyncio.create_task(asked.ask(Sql(ENDLESS)))
        await asyncio.sleep(0.2)
        question.cancel()
        await asyncio.gather(question, return_exceptions=True)
        assert pid(asked) == 0
        await asked.ask(Sql("SELECT 1"))


async def test_an_idle_process_ends_and_is_started_when_somebody_asks(tmp_path: Path) -> None:
    async with asker(tmp_path, idle="1s") as asked:
        await asked.ask(Sql("SELECT 1"))
        assert asked._process is not None
        assert await asyncio.wait_for(asked._process.wait(), 20) == 0
        await asked.ask(Sql("SELECT 1"))


async def test_a_process_ends_with_whoever_started_it(tmp_path: Path) -> None:
    async with asker(tmp_path) as asked:
        await asked.ask(Sql("SELECT 1"))
        process = asked._process
        assert process is not None
        assert process.stdin is not None
        process.stdin.close()
        await asyncio.wait_for(process.wait(), 20)


async def test_a_stop_waits_for_no_question(tmp_path: Path) -> None:
    async with asker(tmp_path) as asked:
        await asked.ask(Sql("SELECT 1"))
        question = asyncio.create_task(asked.ask(Sql(ENDLESS)))
        await asyncio.sleep(0.1)
        await asked.close()
        with pytest.raises(QuestionRefused, match="stops"):
            await question


async def test_only_so_many_may_wait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "WAITING", 2)
    async with asker(tmp_path) as asked:
        waiting = [asyncio.create_task(asked.ask(Sql("SELECT 1"))) for _ in range(2)]
        await asyncio.sleep(0)
        with pytest.raises(QuestionRefused) as refused:
            await asked.ask(Sql("SELECT 1"))
        assert refused.value.code == 503
        await asyncio.gather(*waiting)


async def test_a_process_that_takes_too_much_memory_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with asker(tmp_path, memory="64MB") as asked:
        with pytest.raises(QuestionRefused, match="too much memory") as refused:
            await asked.ask(Sql("SELECT repeat('x', 3000000) AS wide FROM range(1000)"))
        assert refused.value.code == 413
        await asked.ask(Sql("SELECT 1"))


def pid(asked: Asker) -> int:
    return asked._process.pid if asked._process is not None else 0


def mapped(process: int) -> str:
    """Libraries that a process has loaded."""
    return Path(f"/proc/{process}/maps").read_text()
