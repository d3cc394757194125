"""HTTP in the shape of a template, and webhooks."""

import asyncio
import hashlib
import hmac
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from gateway.model.errors import NotConnected, NotTaken, PartialSend
from gateway.model.export.fields import identity
from gateway.model.ids import event_id
from tests.contract.exporter_peers import made
from tests.support.fakehttp import Asked, Says, fake_http
from tests.support.ports import free_port
from tests.support.records import ORIGIN, event, message, source


async def posted(batch: list[Any], **settings: Any) -> list[Asked]:
    async with fake_http() as fake:
        exporter = made(settings.pop("kind", "http"), url=f"{fake.url}/in?k=1", **settings)
        await exporter.connect()
        await exporter.send(batch)
        await exporter.close()
        return fake.posts


async def test_all_there_is_to_say_by_default(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("s3cret\n")
    (asked,) = await posted([event(source(), 1), event(source("b"), 2)], token_file=tmp_path / "token")
    assert (asked.method, asked.target) == ("POST", "/in?k=1")
    assert asked.headers["authorization"] == "Bearer s3cret"
    assert asked.headers["content-type"] == "application/json"
    first, second = asked.json
    assert first["id"] == event_id("meter", "all", ORIGIN + 10**9)
    assert first["values"] == {"Voltage": 1, "Current": 1}
    assert (first["gateway"], second["device"], second["origin"]) == ("plant-7", "b", ORIGIN + 2 * 10**9)


async def test_a_token_in_a_header_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("s3cret\n")
    more = {"token_file": tmp_path / "token", "token_header": "X-Api-Key", "token_scheme": ""}
    (asked,) = await posted([event(source(), 1)], **more)
    assert asked.headers["x-api-key"] == "s3cret"
    assert "authorization" not in asked.headers


async def test_a_webhook_for_some_devices_still_says_alarms_only() -> None:
    asked = await posted([event(source(), 1), message(1)], kind="webhook", only={"devices": ["meter"]})
    assert len(asked) == 2, "the selection is the forwarder's"
    assert made("webhook", url="http://127.0.0.1:1", only={"devices": ["m"]})._settings.only.messages == ["alarm"]


async def test_a_shape_of_ones_own() -> None:
    template = {"t": "{origin}", "tag": "{device}/{resource}", "v": "{value}", "n": 1, "ok": True}
    (asked,) = await posted([event(source(), 3)], each="reading", template=template, gzip=True, method="PUT")
    assert asked.method == "PUT"
    assert asked.json == [
        {"t": ORIGIN + 3 * 10**9, "tag": f"meter/{name}", "v": 3, "n": 1, "ok": True} for name in ("Voltage", "Current")
    ]


async def test_lines_of_text() -> None:
    (asked,) = await posted([event(source(), 3)], each="reading", template="{resource}={value} {quality}")
    assert asked.body == b"Voltage=3 good\nCurrent=3 good\n"
    assert asked.headers["content-type"].startswith("text/plain")


async def test_a_request_for_each_says_its_id() -> None:
    batch = [event(source(), n) for n in range(3)]
    asked = await posted(batch, together=False)
    assert [one.headers["idempotency-key"] for one in asked] == [identity(one) for one in batch]
    assert [one.json["values"]["Voltage"] for one in asked] == [0, 1, 2]


async def test_a_webhook_says_alarms_and_who_it_is_from(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("shared")
    template = {"text": "{device}: {name} {state}", "id": "{id}"}
    (asked,) = await posted([message(1)], kind="webhook", template=template, secret_file=tmp_path / "secret")
    assert asked.json == {"text": "meter: Hot raised", "id": identity(message(1))}
    wanted = hmac.new(b"shared", asked.body, hashlib.sha256).hexdigest()
    assert asked.headers["x-southgate-signature"] == f"sha256={wanted}"


@pytest.mark.parametrize("together", [True, False])
async def test_exactly_what_is_poisonous_is_refused(together: bool) -> None:
    async with fake_http() as fake:
        fake.says = lambda asked: Says(422, b"no such sensor") if b"poison" in asked.body else Says(200, b"ok")
        exporter = made("http", url=fake.url, together=together)
        await exporter.connect()
        with pytest.raises(PartialSend, match="422: no such sensor") as raised:
            await exporter.send([event(source("poison" if n in (0, 6) else "m"), n) for n in range(9)])
        assert raised.value.indices == [0, 6]
        await exporter.close()


@pytest.mark.parametrize(
    ("says", "words", "wait"),
    [
        (Says(401), "is the token right", 0),
        (Says(429, headers={"Retry-After": "7"}), "asks us to wait 7 s", 7),
        (Says(503), "is busy", 0),
        (Says(302, headers={"Location": "https://other/"}), "write that as url", 0),
    ],
)
async def test_a_server_that_takes_nothing_now(says: Says, words: str, wait: float) -> None:
    async with fake_http() as fake:
        exporter = made("http", url=fake.url)
        await exporter.connect()
        fake.next.append(says)
        with pytest.raises(NotTaken, match=words) as raised:
            await exporter.send([event(source(), 1)])
        assert raised.value.wait_s == wait
        await exporter.send([event(source(), 1)])
        await exporter.close()


async def test_a_kept_connection_that_was_closed_is_opened_again_and_cuts_are_told() -> None:
    async with fake_http() as fake:
        exporter = made("http", url=fake.url, timeout="1s")
        await exporter.connect()
        await exporter.send([event(source(), 1)])
        await fake.stop()
        await fake.start()
        await exporter.send([event(source(), 2)])
        fake.next.extend([Says(cut=True), Says(cut=True)])
        with pytest.raises(NotConnected, match="hung up"):
            await exporter.send([event(source(), 3)])
        fake.next.append(Says(503, b"x" * 4000, half=True))
        with pytest.raises(NotTaken, match="is busy"):
            await exporter.send([event(source(), 4)])
        await exporter.close()


async def test_closing_ends_a_request_that_nobody_answers() -> None:
    async with fake_http() as fake:
        exporter = made("http", url=fake.url, timeout="10m")
        never = asyncio.Event()
        fake.next.append(Says(after=never))
        await exporter.connect()
        sending = asyncio.create_task(exporter.send([event(source(), 1)]))
        await fake.until(lambda: bool(fake.posts))
        sending.cancel()
        await exporter.close()
        await asyncio.gather(sending, return_exceptions=True)
        never.set()


@pytest.mark.parametrize("closes", [True, False])
async def test_a_server_that_drips_has_no_more_time_than_one_that_is_silent(closes: bool) -> None:
    async with fake_http() as fake:
        exporter = made("http", url=fake.url, timeout="300ms")
        await exporter.connect()
        headers = {"Connection": "close"} if closes else {}
        fake.next.append(Says(200, b"x" * 3000, headers=headers, drip_s=0.02))
        async with asyncio.timeout(3):
            with pytest.raises(NotConnected, match="does not answer in time"):
                await exporter.send([event(source(), 1)])
        assert len(fake.posts) == 1, "it is not sent twice"
        await exporter.send([event(source(), 2)])
        await exporter.close()


async def test_nobody_there() -> None:
    exporter = made("http", url=f"http://127.0.0.1:{free_port()}")
    with pytest.raises(NotConnected, match="nothing listens there"):
        await exporter.connect()
    await exporter.close()


def test_what_headers_and_queries_say_is_shown_nowhere() -> None:
    settings = made("http", url="http://127.0.0.1:1/in?token=s3cret", headers={"X-Key": "s3cret"})._settings
    for shown in (settings.model_dump_json(), str(settings.model_dump(mode="json")), repr(settings.headers)):
        assert "s3cret" not in shown
    assert "http://127.0.0.1:1/in?" in settings.model_dump_json()


async def test_headers_of_ones_own() -> None:
    (asked,) = await posted([event(source(), 1)], headers={"X-Site": "north"})
    assert asked.headers["x-site"] == "north"


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"template": {"v": "{valeu}"}}, "did you mean {values}"),
        ({"template": {"v": "{value}"}}, "did you mean {values}"),
        ({"headers": {"Authorization": "x"}}, "set by the gateway itself"),
        ({"headers": {"X": "a\r\nB: c"}}, "one line"),
        ({"url": "ftp://x"}, "must be an address"),
        ({"url": "http://u:p@127.0.0.1"}, "no user or password"),
        ({"url": "http://10.0.0.1/"}, "not encrypted"),
        ({"user": "x"}, "go together"),
    ],
)
def test_what_cannot_be_meant(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError) as raised:
        made("http", **{"url": "http://127.0.0.1:1", **settings})
    assert words in str(raised.value)
