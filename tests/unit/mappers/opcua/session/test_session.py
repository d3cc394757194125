"""A session with a real server (asyncua's) and with servers that behave badly."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from asyncua import Server, ua
from asyncua.client.ua_session import UaSession

from gateway.model.errors import DeviceError, NoAnswer, NotConnected
from gateway.model.place import Place
from gateway.model.reading import Quality
from gateway.runtime.clock import SystemClock
from mappers.opcua.address import browse_path
from mappers.opcua.endpoint import reach
from mappers.opcua.session import Session
from mappers.opcua.session.names import node_id
from tests.contract.opcua_peer import URI, add, device, server
from tests.support.ports import free_port

V = ua.VariantType


def session(port: int, meant: dict[int, str] | None = None, **properties: Any) -> Session:
    return Session(reach(device(port, **properties))[0], SystemClock(), Place(), meant)


@asynccontextmanager
async def connected(port: int, **properties: Any) -> AsyncIterator[Session]:
    made = session(port, **properties)
    await made.connect()
    try:
        yield made
    finally:
        await made.close()


@asynccontextmanager
async def peer(*names: str) -> AsyncIterator[tuple[int, Server, int]]:
    """Port, server, and the index of its namespace; with Int32 variables that hold their position."""
    port = free_port()
    async with server(port) as (made, index):
        for position, name in enumerate(names):
            await add(made, index, name, position, V.Int32, writable=True)
        yield port, made, index


async def test_what_a_server_says_of_itself_is_asked_at_each_connection() -> None:
    async with peer() as (port, made, index), connected(port) as opened:
        assert opened.namespaces.now == tuple(await made.get_namespace_array())
        assert opened.namespaces.index(URI) == index
        limit = made.get_node(node_id(ua.ObjectIds.Server_ServerCapabilities_OperationLimits_MaxNodesPerRead))
        await limit.write_value(3, V.UInt32)
        await opened.close()
        await opened.connect()
        assert opened.limits.of("read") == 3


async def test_requests_are_as_large_as_the_server_takes() -> None:
    async with peer(*"abcdefg") as (port, made, index), connected(port) as opened:
        limit = made.get_node(node_id(ua.ObjectIds.Server_ServerCapabilities_OperationLimits_MaxNodesPerRead))
        await limit.write_value(3, V.UInt32)
        await opened.close()
        await opened.connect()
        values = await opened.read([node_id(name, index) for name in "abcdefg"])
        assert [value.Value.Value for value in values if value.Value] == list(range(7))


@pytest.mark.parametrize("code", [ua.StatusCodes.BadTooManyOperations, ua.StatusCodes.BadEncodingLimitsExceeded])
async def test_what_is_too_much_is_halved_and_remembered(code: int) -> None:
    async with peer() as (port, _, _), connected(port) as opened:
        sizes = []

        async def work(_: UaSession, part: list[int]) -> list[int]:
            sizes.append(len(part))
            if len(part) > 3:
                raise ua.UaStatusCodeError(code)
            return [-one for one in part]

        assert await opened.in_batches("read", range(10), work) == [-one for one in range(10)]
        assert sizes == [10, 5, 2, 2, 2, 2, 2]
        sizes.clear()
        await opened.in_batches("read", range(4), work)
        assert sizes == [2, 2]


async def test_one_that_is_too_much_is_refused_for_itself() -> None:
    async with peer() as (port, _, _), connected(port) as opened:

        async def work(_: UaSession, part: list[int]) -> list[int]:
            raise ua.UaStatusCodeError(ua.StatusCodes.BadResponseTooLarge)

        with pytest.raises(DeviceError) as error:
            await opened.in_batches("read", range(4), work)
        assert error.value.code == "BadResponseTooLarge"
        assert opened.up


async def test_a_wrong_number_of_answers_ends_the_session() -> None:
    async with peer() as (port, _, _), connected(port) as opened:

        async def work(_: UaSession, part: list[int]) -> list[int]:
            return part[1:]

        with pytest.raises(NotConnected, match="it was asked for 4 things and answered 3"):
            await opened.in_batches("read", range(4), work)
        assert not opened.up
        assert await opened.lost() == "it was asked for 4 things and answered 3"


async def test_paths_lead_to_nodes_and_are_followed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    async with peer("a") as (port, made, index), connected(port) as opened:
        folder = await made.nodes.objects.add_folder(node_id("f", index), f"{index}:F/lder")
        await folder.add_variable(node_id("deep", index), f"{index}:x&y", 5)
        asked = []
        real = opened.in_batches

        async def counted(what: str, items: Any, work: Any, patience: float | None = None) -> Any:
            asked.append((what, len(items)))
            return await real(what, items, work, patience)

        monkeypatch.setattr(opened, "in_batches", counted)
        good = [browse_path(f"/{index}:a"), browse_path(f"/{index}:F&/lder/nsu={URI};x&&y")]
        bad, lost = browse_path(f"/{index}:none"), browse_path("/nsu=urn:none;a")
        for _ in range(2):
            found = await opened.resolve([*good, bad, lost])
            assert [found[at] for at in good] == [node_id("a", index), node_id("deep", index)]
            assert found[bad] == Quality("bad", "refused", "BadNoMatch")
            assert found[lost] == Quality("bad", "config", f"the server has no namespace urn:none, but {URI}")
        assert asked == [("translate", 3)]
        opened.forget(good[0])
        await opened.resolve(good)
        assert asked == [("translate", 3), ("translate", 1)]


async def test_a_path_that_leads_to_two_nodes_is_said() -> None:
    async with peer("a") as (port, made, index), connected(port) as opened:
        await made.nodes.objects.add_variable(node_id("other", index), ua.QualifiedName("a", index), 1)
        (found,) = (await opened.resolve([browse_path(f"/{index}:a")])).values()
        assert found == Quality("bad", "refused", "BadTooManyMatches")


async def test_what_nodes_hold_down_to_the_builtin_type() -> None:
    async with peer("a") as (port, made, index), connected(port) as opened:
        kinds = [
            ("utc", ua.ObjectIds.UtcTime), ("enum", ua.ObjectIds.ServerState), ("any", ua.ObjectIds.Number),
        ]  # fmt: skip
        for name, data_type in kinds:
            await made.nodes.objects.add_variable(
                node_id(name, index), ua.QualifiedName(name, index), None, V.Null, node_id(data_type)
            )
        names = ["a", *(name for name, _ in kinds), "none"]
        found = list((await opened.held([node_id(name, index) for name in names])).values())
        assert [one.variant for one in found if not isinstance(one, Quality)] == [V.Int32, V.DateTime, V.Int32, None]
        assert found[-1] == Quality("bad", "refused", "BadNodeIdUnknown")


async def test_a_session_that_the_server_has_forgotten_is_not_connected() -> None:
    """T14: session lost."""
    async with peer("a") as (port, _, index), connected(port) as opened:

        async def forget(asked: UaSession) -> None:
            await asked.close_session(delete_subscriptions=True)

        await opened.ask(forget)
        with pytest.raises(NotConnected):
            await opened.read([node_id("a", index)])
        await opened.connect()
        assert (await opened.read([node_id("a", index)]))[0].Value == ua.Variant(0, V.Int32)


async def test_the_channel_gets_new_keys_before_the_old_ones_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """T14: secure channel renewal."""
    async with peer("a") as (port, _, index), connected(port) as opened:
        before = opened._client.uaclient.protocol._connection.security_token.TokenId  # type: ignore[union-attr]
        await opened.renew()
        assert opened._client.uaclient.protocol._connection.security_token.TokenId == before  # type: ignore[union-attr]
        monkeypatch.setattr(opened, "_renew_at", 0.0)
        await opened.renew()
        assert opened._client.uaclient.protocol._connection.security_token.TokenId != before  # type: ignore[union-attr]
        assert opened._renew_at > 0
        assert (await opened.read([node_id("a", index)]))[0].Value == ua.Variant(0, V.Int32)


# ------------------------------------------------------------------------------------------------------ bad servers

Behaves = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def odd_server(behaves: Behaves) -> AsyncIterator[int]:
    port, served = free_port(), []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        served.append(task)
        try:
            await behaves(reader, writer)
        finally:
            writer.close()

    running = await asyncio.start_server(serve, "127.0.0.1", port)
    try:
        yield port
    finally:
        running.close()
        await running.wait_closed()
        await asyncio.wait(served)


async def _silent(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    await reader.read()


async def _hangs_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.close()


async def _web(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(8)
    writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    await reader.read()


async def _claims(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(8)
    writer.write(b"ACKF\xff\xff\xff\x7f" + bytes(1000))
    await reader.read()


async def _nonsense(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(8)
    writer.write(b"ACKF" + (12).to_bytes(4, "little") + b"\xff" * 4)
    await reader.read()


async def _refuses(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(8)
    body = ua.StatusCodes.BadTcpEndpointUrlInvalid.to_bytes(4, "little") + b"\xff\xff\xff\xff"
    writer.write(b"ERRF" + (8 + len(body)).to_bytes(4, "little") + body)
    await reader.read()


@pytest.mark.parametrize(
    ("behaves", "says"),
    [
        (_silent, "no answer within 0.2 s: look at the address"),
        (_hangs_up, "the server hung up"),
        (_web, "it sent a chunk of"),
        (_claims, "it sent a chunk of 2147483647 bytes; is it an OPC UA server"),
        (_nonsense, "the server hung up"),
        (_refuses, "the server refuses (BadTcpEndpointUrlInvalid): the server has no such path; look at Endpoint"),
    ],
)
async def test_who_is_no_server_is_not_connected_in_words(behaves: Behaves, says: str) -> None:
    async with odd_server(behaves) as port:
        opened = session(port, Timeout="200ms")
        with pytest.raises(NotConnected) as error:
            await opened.connect()
        assert str(error.value).startswith(f"opc.tcp://127.0.0.1:{port}: ")
        assert says in str(error.value)
        assert not opened.up
        await opened.close()


async def test_nobody_listens() -> None:
    with pytest.raises(NotConnected, match="Connection refused: nothing listens there; look at address and port, and"):
        await session(free_port()).connect()


async def test_a_server_that_stops_answering_is_silent_not_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    async with peer("a") as (port, _, index), connected(port, Timeout="5s") as opened:
        assert opened._client is not None

        async def never(_: UaSession) -> None:
            await asyncio.Event().wait()

        with pytest.raises(NoAnswer, match=r"did not answer within 0\.05 s"):
            await opened.ask(never, patience=0.05)
        assert opened.up
        assert (await opened.read([node_id("a", index)]))[0].Value == ua.Variant(0, V.Int32)


async def test_what_cannot_be_understood_ends_the_session() -> None:
    async with peer("a") as (port, _, _), connected(port) as opened:

        async def broken(_: UaSession) -> None:
            raise RecursionError("maximum recursion depth exceeded")

        with pytest.raises(NotConnected, match=r"it sent what is not OPC UA .RecursionError: maximum recursion depth"):
            await opened.ask(broken)
        assert not opened.up


async def test_cancelled_in_the_middle_of_connecting_leaves_nothing_open() -> None:
    async with peer() as (port, _, _):
        for turns in (0, 1, 3, 10, 30):
            opened = session(port)
            task = asyncio.create_task(opened.connect())
            for _ in range(turns):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await opened.close()
            assert not opened.up
