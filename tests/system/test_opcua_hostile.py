"""T22: OPC UA servers that lie. Time and memory are bounded, the state says what happened, the neighbours go on."""

import contextlib
import struct
from collections.abc import AsyncIterator, Iterable
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import yaml
from asyncua import ua

from tests.bench.rig import rss_mb
from tests.support.house import Gateway, house
from tests.support.opcua import plain_server
from tests.support.opcuatwist import Chunk, Twist, Twisted, twisting
from tests.support.ports import free_port

MOST_MB = 120
"""Nine hostile servers at once may make the gateway grow by so much; one message may have 16 MiB."""
PROFILE = """
name: tank
deviceResources:
  - { name: Level, properties: { valueType: Float64, readWrite: R }, attributes: { nodeId: "ns=2;s=Level" } }
  - { name: Polled, properties: { valueType: Float64, readWrite: R },
      attributes: { nodeId: "ns=2;s=Level", subscribe: false } }
"""


def header(chunk: Chunk) -> bytes:
    """Type and a good ResponseHeader, up to where the body begins."""
    return chunk.body[:4] + struct.pack("<qIIBi", 0, 0, 0, 0, -1) + b"\0\0\0"


def lying_array(chunk: Chunk) -> Iterable[Chunk | bytes]:
    return [chunk.with_body(header(chunk) + struct.pack("<i", 2**31 - 1))]


def nested(chunk: Chunk) -> Iterable[Chunk | bytes]:
    """Variants in variants, 10,000 deep."""
    deep = b"\x98\x01\0\0\0" * 10_000 + b"\x01\x01"
    return [chunk.with_body(header(chunk) + struct.pack("<i", 1) + b"\x01" + deep)]


def huge_string(chunk: Chunk) -> Iterable[Chunk | bytes]:
    """More than anybody says, in good chunks: 400 MB."""
    yield replace(chunk, final=b"C", body=header(chunk) + struct.pack("<iBBi", 1, 1, 12, 400_000_000))
    for _ in range(6_700):
        yield replace(chunk, final=b"C", body=b"x" * 60_000)


TWISTS: dict[str, Twist] = {
    "lying-array": lying_array,
    "nested": nested,
    "huge-string": huge_string,
    "garbage-body": lambda chunk: [chunk.with_body(chunk.body[:4] + b"\xff" * 50)],
    "garbage": lambda chunk: [b"\xde\xad\xbe\xef" * 1000],
    "huge-length": lambda chunk: [struct.pack("<3scI", b"MSG", b"F", 2**31 - 1), *[b"y" * 60_000] * 2000],
    "other-request": lambda chunk: [replace(chunk, request=chunk.request + 1000)],
    "no-answer": lambda chunk: [],
    "twice": lambda chunk: [chunk, chunk],
}


@contextlib.asynccontextmanager
async def tank() -> AsyncIterator[int]:
    """A well-behaved server; its port."""
    server = plain_server()
    await server.init()
    port = free_port()
    server.set_endpoint(f"opc.tcp://127.0.0.1:{port}")
    server.set_security_policy([ua.SecurityPolicyType.NoSecurity])
    await server.register_namespace("urn:tank")
    await server.nodes.objects.add_variable(ua.NodeId("Level", 2), "Level", 1.5)  # type: ignore[arg-type]
    async with server:
        yield port


def devices(**urls: str) -> str:
    entries = [
        {
            "name": name,
            "profileName": "tank",
            "protocols": {"opcua": {"Endpoint": url, "AllowNone": True, "Timeout": "1s"}},
            "autoEvents": [{"sourceName": "Level", "interval": "100ms"}, {"sourceName": "Polled", "interval": "150ms"}],
        }
        for name, url in urls.items()
    ]
    return yaml.safe_dump({"deviceList": entries})


@contextlib.asynccontextmanager
async def beside(folder: Path) -> AsyncIterator[tuple[Gateway, dict[str, Twisted]]]:
    """A gateway with a good server, and the same one behind relays that may twist what it says, each in its way."""
    async with contextlib.AsyncExitStack() as stack:
        port = await stack.enter_async_context(tank())
        relays = {name: await stack.enter_async_context(twisting("127.0.0.1", port)) for name in TWISTS}
        gateway = await stack.enter_async_context(house(folder, profiles=[PROFILE], start=False))
        urls = {name: relay.url for name, relay in relays.items()}
        text = devices(good=f"opc.tcp://127.0.0.1:{port}", **urls)
        (gateway.folder / "devices" / "tanks.yaml").write_text(text)
        await gateway.start()
        for name in ("good", *relays):
            await gateway.until_state(name, "online", seconds=30)
        yield gateway, relays


@pytest.mark.timeout(180)
@pytest.mark.parametrize("answer", ["ReadResponse", "PublishResponse"])
async def test_each_is_lost_in_words_and_the_neighbour_goes_on(answer: str, tmp_path: Path) -> None:
    async with beside(tmp_path) as (gateway, relays):
        before = rss_mb(gateway.pid)
        connected = {name: relay.connections for name, relay in relays.items()}
        for name, relay in relays.items():
            relay.twist = partial(_twisted, TWISTS[name], answer)
        for name, relay in relays.items():
            await gateway.until(partial(_noticed, gateway, name, relay, connected[name]), seconds=45)
        await gateway.until(partial(_more, gateway, await _reads(gateway)))
        assert (await gateway.twin("good"))["state"] == "online"
        assert rss_mb(gateway.pid) < before + MOST_MB
        for relay in relays.values():
            relay.twist = None
        for name in relays:
            await gateway.until_state(name, "online", seconds=60)
        assert await gateway.stop() == 0


def _twisted(twist: Twist, answer: str, chunk: Chunk) -> Iterable[Chunk | bytes]:
    return twist(chunk) if chunk.answers(answer) else [chunk]


async def _noticed(gateway: Gateway, name: str, relay: Twisted, connections: int) -> bool:
    """Its state says what is wrong, or it was connected anew."""
    twin = await gateway.twin(name)
    wrong = twin["state"] in ("offline", "degraded") and bool(twin["reason"])
    return wrong or relay.connections > connections


async def _more(gateway: Gateway, reads: int) -> bool:
    return await _reads(gateway) > reads + 3


async def _reads(gateway: Gateway) -> int:
    flows = (await gateway.own("flows"))["flows"]
    return int(next(flow["reads"] for flow in flows if flow["device"] == "good" and flow["sources"] == ["Polled"]))
