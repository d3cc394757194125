"""A session with a real server (asyncua's) and with servers that behave badly."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from asyncua import Server, ua
from asyncua.client.ua_session import UaSession
from asyncua.common.utils import Buffer
from asyncua.ua import ua_binary

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
    async with peer(*"abcdefg") as (port, made, index), connected(port) as opened:
        assert opened.namespaces.now == tuple(await made.get_namespace_array())
        assert opened.namespaces.index(URI) == index
        assert opened.limits.of("read") > 3
        limit = made.get_node(node_id(ua.ObjectIds.Server_ServerCapabilities_OperationLimits_MaxNodesPerRead))
        await limit.write_value(3, V.UInt32)
        await opened.close()
        await opened.connect()
        assert opened.limits.of("read") == 3
        values = await opened.read([node_id(name, index) for name in "abcdefg"])
        assert [value.Value.Value for value in values if value.Value] == list(range(7))


async def test_a_session_of_a_gateway_that_was_killed_does_not_last_and_an_idle_one_is_kept() -> None:
    async with peer("a") as (port, made, _), connected(port) as opened:
        (theirs,) = made.iserver._external_sessions.values()
        assert theirs.session_timeout == 120
        before = theirs._last_activity
        await opened.keep()
        assert theirs._last_activity > before


async def test_paths_lead_to_nodes_and_are_followed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    async with peer("a", "b") as (port, made, index), connected(port) as opened:
        await made.nodes.objects.add_variable(node_id("other", index), ua.QualifiedName("b", index), 1)
        folder = await made.nodes.objects.add_folder(node_id("f", index), f"{index}:F/lder")
        await folder.add_variable(node_id("deep", index), f"{index}:x&y", 5)
        asked = []
        real = opened.in_batches

        async def counted(what: str, items: Any, work: Any, patience: float | None = None) -> Any:
            asked.append((what, len(items)))
            return await real(what, items, work, patience)

        monkeypatch.setattr(opened, "in_batches", counted)
        good = [browse_path(f"/{index}:a"), browse_path(f"/{index}:F&/lder/nsu={URI};x&&y")]
        bad, two, lost = (browse_path(path) for path in (f"/{index}:none", f"/{index}:b", "/nsu=urn:none;a"))
        for _ in range(2):
            found = await opened.resolve([*good, bad, two, lost])
            assert [found[at] for at in good] == [node_id("a", index), node_id("deep", index)]
            assert found[bad] == Quality("bad", "refused", "BadNoMatch")
            assert found[two] == Quality("bad", "refused", "BadTooManyMatches")
            assert found[lost] == Quality("bad", "config", f"the server has no namespace urn:none, but {URI}")
        assert asked == [("translate", 4)]
        opened.forget(good[0])
        await opened.resolve(good)
        assert asked == [("translate", 4), ("translate", 1)]


async def test_a_session_that_is_lost_and_a_channel_whose_keys_are_old(monkeypatch: pytest.MonkeyPatch) -> None:
    """T14: secure channel renewal, session lost."""
    async with peer("a") as (port, _, index), connected(port) as opened:
        assert opened._client is not None
        socket: Any = opened._client.uaclient.protocol
        before = socket._connection.security_token.TokenId
        await opened.renew()
        assert socket._connection.security_token.TokenId == before, "it is not time"
        monkeypatch.setattr(opened, "_renew_at", 0.0)
        await opened.renew()
        assert socket._connection.security_token.TokenId != before
        assert opened._renew_at > 0
        assert (await opened.read([node_id("a", index)]))[0].Value == ua.Variant(0, V.Int32)

        async def forget(asked: UaSession) -> None:
            await asked.close_session(delete_subscriptions=True)

        await opened.ask(forget)
        with pytest.raises(NotConnected):
            await opened.read([node_id("a", index)])
        await opened.connect()
        assert (await opened.read([node_id("a", index)]))[0].Value == ua.Variant(0, V.Int32)


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


# ------------------------------------------------------------------------------------------------- without a server


class Client:
    """A connection that is up until somebody closes it."""

    def __init__(self) -> None:
        self.up, self.why = True, ""
        self.uaclient = SimpleNamespace(session=None)

    def disconnect_socket(self) -> None:
        self.up = False


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> Session:
    made = session(4840)
    monkeypatch.setattr(made, "_client", Client())
    return made


@pytest.mark.parametrize("code", [ua.StatusCodes.BadTooManyOperations, ua.StatusCodes.BadEncodingLimitsExceeded])
async def test_what_is_too_much_is_halved_and_remembered(opened: Session, code: int) -> None:
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


async def test_one_that_is_too_much_is_refused_for_itself(opened: Session) -> None:
    async def work(_: UaSession, part: list[int]) -> list[int]:
        raise ua.UaStatusCodeError(ua.StatusCodes.BadResponseTooLarge)

    with pytest.raises(DeviceError) as error:
        await opened.in_batches("read", range(4), work)
    assert error.value.code == "BadResponseTooLarge"
    assert opened.up


async def test_a_wrong_number_of_answers_ends_the_session(opened: Session) -> None:
    async def work(_: UaSession, part: list[int]) -> list[int]:
        return part[1:]

    with pytest.raises(NotConnected, match="it was asked for 4 things and answered 3"):
        await opened.in_batches("read", range(4), work)
    assert not opened.up


async def test_a_server_that_stops_answering_is_silent_not_gone(opened: Session) -> None:
    async def never(_: UaSession) -> None:
        await asyncio.Event().wait()

    with pytest.raises(NoAnswer, match=r"did not answer within 0\.05 s"):
        await opened.ask(never, patience=0.05)
    assert opened.up


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (ua.UaStatusCodeError(ua.StatusCodes.BadSessionIdInvalid), "the session is gone (BadSessionIdInvalid)"),
        (ConnectionError("Connection is closed"), "the server hung up"),
        (ua.UaError("a message with lists of more than"), "it sent what is not OPC UA (UaError: a message with lists"),
    ],
)
async def test_what_ends_a_session(opened: Session, error: Exception, says: str) -> None:
    async def fails(_: UaSession) -> None:
        raise error

    with pytest.raises(NotConnected) as told:
        await opened.ask(fails)
    assert says in str(told.value)
    assert not opened.up


@pytest.mark.parametrize(
    ("body", "says"), [(b"\x01", "NotEnoughData"), (b"\xff" * 50, "ValueError: 63 is not a valid NodeIdType")]
)
async def test_what_the_library_cannot_read_was_sent_by_the_server(opened: Session, body: bytes, says: str) -> None:
    async def reads(_: UaSession) -> None:
        ua_binary.struct_from_binary(ua.ReadResponse, Buffer(body))

    with pytest.raises(NotConnected, match=f"it sent what is not OPC UA \\(.*{says}") as told:
        await opened.ask(reads)
    assert str(told.value).count(opened.endpoint.url) == 1
    assert not opened.up


async def test_a_mistake_of_ours_is_no_fault_of_the_server(opened: Session) -> None:
    async def stumbles(_: UaSession) -> None:
        raise IndexError("ours")

    async def cannot_be_written(_: UaSession) -> None:
        ua_binary.struct_to_binary(ua.ReadRequest(Parameters=ua.ReadParameters(NodesToRead=[3])))  # type: ignore[list-item]

    with pytest.raises(IndexError):
        await opened.ask(stumbles)
    with pytest.raises(AttributeError):
        await opened.ask(cannot_be_written)


async def test_a_mistake_of_ours_while_connecting_is_said_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    def stumbles(*_: object) -> None:
        raise KeyError("ours")

    monkeypatch.setattr("mappers.opcua.security.opening.offers", stumbles)
    async with peer() as (port, _, _):
        opened = session(port)
        with pytest.raises(KeyError):
            await opened.connect()
        assert not opened.up


async def test_a_channel_that_cannot_be_renewed_names_the_server_once(
    opened: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def never(renew: bool) -> None:
        assert renew
        await asyncio.Event().wait()

    monkeypatch.setattr(opened._client, "open_secure_channel", never, raising=False)
    monkeypatch.setattr(opened, "endpoint", replace(opened.endpoint, timeout=0.05))
    with pytest.raises(NotConnected) as told:
        await opened.renew()
    url = opened.endpoint.url
    assert str(told.value) == f"{url}: the secure channel could not be renewed: no answer within 0.05 s"


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


async def _greets(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"SSH-2.0-OpenSSH_9.2\r\n")
    await writer.drain()


async def _acknowledges(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(8)
    writer.write(b"ACKF" + (28).to_bytes(4, "little") + bytes(4) + b"\xff\xff\x00\x00" * 2 + bytes(8))
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
        (
            _silent,
            "something listens there, but does not answer within 0.2 s: is it an OPC UA server? Look at the port",
        ),
        (_hangs_up, "something listens there, but hangs up without a word: is it an OPC UA server? Look at the port"),
        (_web, "it sent what is not OPC UA (it begins with 'HTTP/1.1 400 Bad Req'); is it an OPC UA server? Look at"),
        (_greets, "it sent what is not OPC UA (it begins with 'SSH-2.0-OpenSSH_9.2.'); is it an OPC UA server? Look"),
        (_acknowledges, "no answer within 0.2 s: the server is there and began to answer"),
        (_claims, "it sent a chunk of 2147483647 bytes; is it an OPC UA server"),
        (_nonsense, "it sent what is not OPC UA, or what was changed on its way"),
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
