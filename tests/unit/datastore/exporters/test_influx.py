"""The InfluxDB exporter at a server that refuses, is slow and hangs up."""

import asyncio
from email.utils import formatdate
from pathlib import Path

import pytest

from gateway.model.errors import NotConnected, NotTaken, PartialSend
from gateway.model.profile import ValueType
from gateway.model.reading import Source
from tests.contract.exporter_peers import made
from tests.support.fakehttp import Asked, FakeHttp, Says, fake_http
from tests.support.ports import free_port
from tests.support.records import ORIGIN, event, message, resource, source


async def test_what_is_sent(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("s3cret\n")
    async with fake_http() as fake:
        exporter = made("influx", url=fake.url, org="plant", bucket="a b", token_file=tmp_path / "token")
        await exporter.connect()
        await exporter.send([event(source(), 1), message(2), event(source("other"), 3)])
        await exporter.close()
        (asked,) = fake.posts
        assert asked.target == "/api/v2/write?org=plant&bucket=a%20b&precision=ns" or "bucket=a+b" in asked.target
        assert asked.headers["authorization"] == "Token s3cret"
        assert asked.headers["content-encoding"] == "gzip"
        assert asked.body.decode().splitlines() == [
            f"meter-profile,device=meter,source=all Voltage=1i,Current=1i {ORIGIN + 10**9}",
            f"meter-profile,device=other,source=all Voltage=3i,Current=3i {ORIGIN + 3 * 10**9}",
        ]


async def refused(fake: FakeHttp, says: Says, error: type[Exception]) -> str:
    exporter = made("influx", url=fake.url, bucket="b", timeout="1s")
    await exporter.connect()
    fake.next.append(says)
    with pytest.raises(error) as raised:
        await exporter.send([event(source(), 1)])
    if isinstance(raised.value, NotTaken):
        wait = raised.value.wait_s
        assert (wait > 0) == ("Retry-After" in says.headers), wait
    await exporter.send([event(source(), 1)])
    await exporter.close()
    return str(raised.value)


@pytest.mark.parametrize(
    ("says", "words"),
    [
        (Says(401, b'{"code":"unauthorized","message":"unauthorized access"}'), "is the token right"),
        (Says(403), "may this token or user write there"),
        (Says(404, b'{"code":"not found","message":"bucket \\"b\\" not found"}'), 'bucket "b" not found'),
        (Says(429, headers={"Retry-After": "12"}), "gets too much from us (429); it asks us to wait 12 s"),
        (Says(503, headers={"Retry-After": formatdate(2**31, usegmt=True)}), "asks us to wait 600 s"),
        (Says(500), "has an error of its own"),
    ],
)
async def test_a_server_that_takes_nothing_now(says: Says, words: str) -> None:
    async with fake_http() as fake:
        assert words in await refused(fake, says, NotTaken)


@pytest.mark.parametrize("says", [Says(cut=True), Says(500, b"x" * 100, half=True), Says(after=asyncio.Event())])
async def test_a_server_that_hangs_up_or_never_answers(says: Says) -> None:
    async with fake_http() as fake:
        said = await refused(fake, says, NotConnected)
        assert "hung up" in said or "does not answer in time" in said
        if says.after is not None:
            says.after.set()


def conflict(asked: Asked) -> Says:
    """As InfluxDB: what it can store is stored, the rest named by its first."""
    lines = asked.body.decode().splitlines()
    if any("poison" in line for line in lines):
        return Says(400, b'{"code":"invalid","message":"partial write: field type conflict: input field dropped=1"}')
    return Says()


async def test_of_a_partial_write_exactly_the_poisonous_records_are_refused() -> None:
    async with fake_http() as fake:
        fake.says = conflict
        exporter = made("influx", url=fake.url, bucket="b")
        await exporter.connect()
        batch = [event(source("poison" if n in (3, 17) else "meter"), n) for n in range(40)]
        with pytest.raises(PartialSend) as raised:
            await exporter.send(batch)
        assert raised.value.indices == [3, 17]
        assert "field type conflict" in str(raised.value)
        assert len(fake.posts) < 2 + 4 * 6
        await exporter.close()


async def test_what_the_protocol_cannot_say_is_refused_alone() -> None:
    large = Source("s", "p", "d", "all", (resource("n", ValueType.UINT64),))
    async with fake_http() as fake:
        exporter = made("influx", url=fake.url, bucket="b")
        await exporter.connect()
        with pytest.raises(PartialSend, match="integers: float") as raised:
            await exporter.send([event(large, 1, [1]), event(large, 2, [2**63]), event(large, 3, [3])])
        assert raised.value.indices == [1]
        assert len(fake.posts[0].body.splitlines()) == 2
        await exporter.close()


async def test_a_request_too_large_leaves_in_two() -> None:
    async with fake_http() as fake:
        fake.says = lambda asked: Says(413) if len(asked.body) > 500 else Says()
        exporter = made("influx", url=fake.url, bucket="b")
        await exporter.connect()
        await exporter.send([event(source(), n) for n in range(10)])
        taken = [asked for asked in fake.posts if len(asked.body) <= 500]
        assert sum(len(asked.body.splitlines()) for asked in taken) == 10
        await exporter.close()


@pytest.mark.parametrize("closes", [True, False])
async def test_a_server_that_drips_has_no_more_time_than_one_that_is_silent(closes: bool) -> None:
    async with fake_http() as fake:
        exporter = made("influx", url=fake.url, bucket="b", timeout="300ms")
        await exporter.connect()
        headers = {"Connection": "close"} if closes else {}
        fake.next.append(Says(200, b"x" * 3000, headers=headers, drip_s=0.02))
        async with asyncio.timeout(3):
            with pytest.raises(NotConnected, match="does not answer in time"):
                await exporter.send([event(source(), 1)])
        assert len(fake.posts) == 1, "it is not sent twice"
        await exporter.send([event(source(), 2)])
        await exporter.close()


async def test_nobody_there_or_no_token(tmp_path: Path) -> None:
    exporter = made("influx", url=f"http://127.0.0.1:{free_port()}", bucket="b")
    with pytest.raises(NotConnected, match="nothing listens there"):
        await exporter.connect()
    await exporter.close()
    exporter = made("influx", url="http://127.0.0.1:9", bucket="b", token_file=tmp_path / "missing")
    with pytest.raises(NotConnected, match=r"token file .*missing cannot be read"):
        await exporter.connect()
    await exporter.close()
