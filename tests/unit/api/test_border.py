"""What every request meets: names in paths, correlation, token, size, time."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from gateway.api import border
from gateway.api.app import create_app
from gateway.api.border import BODY_SECONDS, Token
from gateway.api.envelope import EdgexError
from gateway.api.paths import routing_path
from gateway.model.errors import ConfigError
from gateway.model.load import device_from_json
from tests.support.clock import MovingClock, settle
from tests.unit.api.conftest import device_body
from tests.unit.api.fakes import House

NAMES = [
    "a/b",
    "plus+hash#",
    "$SYS",
    "100%",
    "%2F",
    "%252F",
    "a b",
    "温度计",
    "Ä-ö_.~",
    "..",
    "a?b&c=d",
    'quote"<>\\',
    "😀/😀",
]


@pytest.mark.parametrize("name", NAMES)
async def test_a_name_of_any_letters_is_reached(name: str, house: House, api: httpx.AsyncClient) -> None:
    house.put(next(iter(house.registry.current.profiles.values())), device_from_json(device_body(name)))
    path = quote(name, safe="") if name != ".." else "%2E%2E"
    for where in (
        f"/core-metadata/api/v3/device/name/{path}",
        f"/core-command/api/v3/device/name/{path}/Temperature",
        f"/device-modbus/api/v3/device/name/{path}/Temperature",
        f"/core-data/api/v3/event/device/name/{path}",
        f"/gateway/api/v1/twin/{path}",
        f"/gateway/api/v1/plan/{path}",
    ):
        assert (await api.get(where)).status_code == 200, where
    assert house.commands.asked[-1] == (name, "Temperature", True)
    assert (await api.get(f"/core-metadata/api/v3/device/name/{path}")).json()["device"]["name"] == name


@pytest.mark.parametrize(
    ("raw", "path"), [(b"/a%2Fb", "/a%2Fb"), (b"/%252F", "/%252F"), (b"/%2fx%25", "/%2Fx%25"), (b"/%e6%b8%a9", "/温")]
)
def test_only_the_slash_and_the_percent_stay_encoded(raw: bytes, path: str) -> None:
    assert routing_path(raw) == path


@pytest.mark.parametrize("raw", [b"/a%00", b"/a%0A", b"/a%7F", b"/a%C2%85", b"/a%E2%80%A8", b"/a%zz", b"/a%", b"/a%ff"])
def test_control_characters_and_broken_escapes_are_refused(raw: bytes) -> None:
    with pytest.raises(EdgexError) as caught:
        routing_path(raw)
    assert caught.value.status == 400


async def test_the_correlation_id_comes_back_or_is_made(api: httpx.AsyncClient) -> None:
    given = await api.get("/core-data/api/v3/ping", headers={"X-Correlation-ID": "abc-1"})
    assert given.headers["X-Correlation-ID"] == "abc-1"
    for path in ("/core-data/api/v3/ping", "/nowhere", "/core-metadata/api/v3/device/name/x%00"):
        assert len((await api.get(path)).headers["X-Correlation-ID"]) == 36


TOKEN = "correct-horse-battery"


@pytest.fixture
def token_file(tmp_path: Path) -> Path:
    path = tmp_path / "token"
    path.write_text(TOKEN + "\n")
    return path


async def test_every_route_but_ping_asks_for_the_token(
    house: House, client: Callable[..., httpx.AsyncClient], token_file: Path
) -> None:
    app = create_app(house.parts, Token(token_file))
    paths = app.openapi()["paths"]
    assert len(paths) > 40
    async with client(house.parts, Token(token_file)) as api:
        for path, verbs in paths.items():
            concrete = path.replace("{service}", "device-modbus").replace("{", "").replace("}", "")
            for verb in verbs:
                wanted = 200 if path.endswith("/api/v3/ping") else 401
                assert (await api.request(verb, concrete)).status_code == wanted, (verb, path)
        for path in ("/docs", "/openapi.json", "/nowhere", "/core-metadata/api/v3/device/name/x/api/v3/ping"):
            assert (await api.get(path)).status_code == 401, path


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": "http://evil.example", "Content-Type": "text/plain"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://127.0.0.1.evil.example"}, 403),
        ({"Origin": "http://[oops"}, 403),
        ({"Host": "rebound.evil.example:8080"}, 403),
        ({"Host": "192.168.1.9"}, 403),
        ({"Origin": "http://localhost:3000"}, 200),
        ({"Host": "localhost:8080", "Origin": "http://localhost:8080"}, 200),
        ({"Host": "[::1]:8080"}, 200),
        ({"Host": "127.0.0.1"}, 200),
    ],
)
async def test_without_a_token_a_foreign_page_in_a_browser_switches_nothing(
    headers: dict[str, str], status: int, house: House, client: Callable[..., httpx.AsyncClient], token_file: Path
) -> None:
    body = b'{"device": "boiler", "name": "Setpoint", "args": {"Setpoint": 21}}'
    async with client(house.parts) as api:
        answer = await api.post("/gateway/api/v1/commands", content=body, headers=headers)
        assert answer.status_code == status, answer.text
        assert len(house.commands.ran) == (status == 200)
    async with client(house.parts, Token(token_file)) as api:  # whoever has the token may come from anywhere
        more = {**headers, "Authorization": f"Bearer {TOKEN}"}
        assert (await api.post("/gateway/api/v1/commands", content=body, headers=more)).status_code == 200


@pytest.mark.parametrize(
    ("header", "status"),
    [
        (f"Bearer {TOKEN}", 200),
        (f"bearer {TOKEN}", 200),
        (f"Basic {TOKEN}", 401),
        (f"Bearer {TOKEN}x", 401),
        ("Bearer ", 401),
        (TOKEN, 401),
    ],
)
async def test_the_token(
    header: str, status: int, house: House, client: Callable[..., httpx.AsyncClient], token_file: Path
) -> None:
    async with client(house.parts, Token(token_file)) as api:
        answer = await api.get("/core-metadata/api/v3/device/all", headers={"Authorization": header})
        assert answer.status_code == status
        if status == 401:
            assert answer.json() == {"message": "Unauthorized"}
            assert answer.headers["WWW-Authenticate"] == "Bearer"


def test_a_changed_token_file_counts_at_once_and_a_lost_one_refuses(token_file: Path) -> None:
    token = Token(token_file)
    token_file.write_text("another-token-of-length")
    assert token.allows("Bearer another-token-of-length")
    assert not token.allows(f"Bearer {TOKEN}")
    token_file.unlink()
    assert not token.allows("Bearer another-token-of-length")


@pytest.mark.parametrize("content", [None, "short", ""])
def test_a_missing_or_short_token_is_refused_at_start(content: str | None, tmp_path: Path) -> None:
    path = tmp_path / "token"
    if content is not None:
        path.write_text(content)
    with pytest.raises(ConfigError, match="token_file"):
        Token(path)


async def _pieces(count: int) -> AsyncIterator[bytes]:
    for _ in range(count):
        await asyncio.sleep(0)
        yield b"x" * 1000


@pytest.mark.parametrize("path", ["/core-metadata/api/v3/device", "/core-metadata/api/v3/deviceprofile/uploadfile"])
async def test_a_huge_body_is_413_whether_it_says_its_length_or_not(
    path: str, house: House, client: Callable[..., httpx.AsyncClient]
) -> None:
    async with client(house.parts, max_body=10_000) as api:
        said = await api.post(path, content=b"x" * 10_001)
        chunked = await api.post(path, content=_pieces(11))
    assert (said.status_code, chunked.status_code) == (413, 413)
    assert said.json()["statusCode"] == 413
    assert house.registry.changes == 0


async def test_many_large_bodies_at_once_are_503_and_then_forgotten(
    house: House, client: Callable[..., httpx.AsyncClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(border, "MAX_HELD", 25_000)
    path = "/core-metadata/api/v3/device"
    waiting = [asyncio.Event(), asyncio.Event()]
    go_on = asyncio.Event()

    async def stopping(reached: asyncio.Event) -> AsyncIterator[bytes]:
        async for piece in _pieces(10):
            yield piece
        reached.set()
        await go_on.wait()
        yield b"x"

    async with client(house.parts) as api, asyncio.TaskGroup() as tasks:
        under_way = [tasks.create_task(api.post(path, content=stopping(reached))) for reached in waiting]
        for reached in waiting:
            await reached.wait()
        assert (await api.post(path, content=_pieces(10))).status_code == 503
        go_on.set()
        assert {(await post).status_code for post in under_way} == {400}
        assert (await api.post(path, content=_pieces(20))).status_code == 400


async def test_a_body_that_does_not_come_is_408(house: House, clock: MovingClock) -> None:
    sent: list[dict[str, Any]] = []
    gone = asyncio.Event()

    async def receive() -> dict[str, Any]:
        await gone.wait()
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/core-metadata/api/v3/device",
        "raw_path": b"/core-metadata/api/v3/device",
        "query_string": b"",
        "headers": [(b"content-length", b"10")],
    }
    task = asyncio.create_task(create_app(house.parts)(scope, receive, send))
    await settle()
    await house.clock.advance(BODY_SECONDS + 1)
    await asyncio.wait_for(task, 5)
    assert sent[0]["status"] == 408


async def test_a_bug_is_500_and_logged(house: House, api: httpx.AsyncClient, caplog: pytest.LogCaptureFixture) -> None:
    house.commands.event = ZeroDivisionError("ours")
    answer = await api.get("/core-command/api/v3/device/name/boiler/Both", headers={"X-Correlation-ID": "c"})
    assert (answer.status_code, answer.headers["X-Correlation-ID"]) == (500, "c")
    assert "ours" not in answer.text
    assert "ZeroDivisionError" in caplog.text


async def test_unknown_routes_and_verbs(api: httpx.AsyncClient) -> None:
    assert (await api.get("/core-metadata/api/v3/nothing")).status_code == 404
    wrong = await api.delete("/core-metadata/api/v3/device/all")
    assert (wrong.status_code, wrong.json()) == (405, {"message": "Method Not Allowed"})
    assert (await api.get("/device-teapot/api/v3/ping")).status_code == 404
