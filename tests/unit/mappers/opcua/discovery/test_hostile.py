"""Discovery over the wire against servers that lie, loop and never end (T22): bounded time and memory, and words."""

import asyncio
import tracemalloc
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from asyncua import Server, ua
from asyncua.server.uaprocessor import UaProcessor

from gateway.model.device import Device
from gateway.model.errors import NotConnected
from gateway.model.place import Place
from gateway.runtime.clock import SystemClock
from mappers.opcua.discovery.scan import Scan, wish
from mappers.opcua.discovery.walk import Limits
from mappers.opcua.endpoint import reach
from tests.support.opcua import NONE, secured

Browsed = Callable[[ua.NodeId, int], ua.BrowseResult]
"""What a node has, on which page."""
WITHIN_S = 30.0


class Liar:
    """What a server says to Browse and BrowseNext."""

    def __init__(self, browsed: Browsed) -> None:
        self.browsed = browsed
        self.next = self.released = 0
        self._points: dict[bytes, tuple[ua.NodeId, int]] = {}

    def browse(self, params: ua.BrowseParameters) -> list[ua.BrowseResult]:
        return [self._page(one.NodeId, 0) for one in params.NodesToBrowse]

    def browse_next(self, params: ua.BrowseNextParameters) -> list[ua.BrowseResult]:
        pages = [self._points.pop(point) for point in params.ContinuationPoints]
        if params.ReleaseContinuationPoints:
            self.released += len(pages)
            return []
        self.next += 1
        return [self._page(*page) for page in pages]

    def _page(self, node: ua.NodeId, page: int) -> ua.BrowseResult:
        result = self.browsed(node, page)
        if result.ContinuationPoint:
            point = f"{len(self._points)}.{self.next}".encode()
            self._points[point] = node, page + 1
            result.ContinuationPoint = ua.ContinuationPoint(point)
        return result


@asynccontextmanager
async def lying(
    monkeypatch: pytest.MonkeyPatch, browsed: Browsed | None, knows_next: bool = True
) -> AsyncIterator[Any]:
    """A server with its liar."""
    liar = Liar(browsed or (lambda node, page: ua.BrowseResult()))
    answer: Any = UaProcessor._process_message

    async def process(self: Any, typeid: Any, requesthdr: Any, seqhdr: Any, body: Any) -> Any:
        if not knows_next or typeid != ua.NodeId(ua.ObjectIds.BrowseNextRequest_Encoding_DefaultBinary):
            return await answer(self, typeid, requesthdr, seqhdr, body)
        response = ua.BrowseNextResponse()
        response.Parameters.Results = liar.browse_next(ua.ua_binary.struct_from_binary(ua.BrowseNextParameters, body))
        self.send_response(requesthdr.RequestHandle, seqhdr, response)
        return True

    monkeypatch.setattr(UaProcessor, "_process_message", process)

    def prepare(server: Server) -> None:
        if browsed is not None:
            server.iserver.view_service.browse = liar.browse  # type: ignore[method-assign]

    async with secured(policies=NONE, prepare=prepare) as server:
        yield server, liar


def scan_of(server: Server, **limits: Any) -> Scan:
    given = {"Endpoint": server.endpoint.geturl(), "SecurityPolicy": "None", "AllowNone": True, "Timeout": 10}
    connection, _ = reach(Device(name="liar", protocols={"opcua": given}))
    return Scan(connection, SystemClock(), Place(), wish([], Limits(**limits)))


async def scanned(server: Server, **limits: Any) -> Scan:
    scan = scan_of(server, **limits)
    async with asyncio.timeout(WITHIN_S):
        await scan.run()
    scan.describe("Liar")
    return scan


def child(id_: str, name: str, kind: ua.NodeClass = ua.NodeClass.Variable) -> ua.ReferenceDescription:
    return ua.ReferenceDescription(
        ReferenceTypeId=ua.NodeId(ua.Int32(ua.ObjectIds.Organizes)),
        NodeId=ua.ExpandedNodeId(id_, 1),  # type: ignore[arg-type]
        BrowseName=ua.QualifiedName(name, 1),
        DisplayName=ua.LocalizedText(name),
        NodeClass=kind,
    )


def page(*children: ua.ReferenceDescription, more: bool = False) -> ua.BrowseResult:
    return ua.BrowseResult(ContinuationPoint=ua.ContinuationPoint(b"x") if more else None, References=list(children))


async def test_lies_about_what_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """T22: continuation points without end, children without end, loops, names without measure; one server, which takes
    seconds to start, tells them all."""
    async with lying(monkeypatch, lambda node, at: page()) as (server, liar):
        await _the_same_for_ever(server, liar)
        await _always_more(server, liar)
        await _round_and_round(server, liar)
        await _beyond_measure(server, liar)


async def _the_same_for_ever(server: Server, liar: Liar) -> None:
    same = [child(f"same{n}", f"Same{n}") for n in range(100)]
    liar.browsed = lambda node, at: page(*same, more=True)
    scan = await scanned(server, nodes=200)
    assert any("the server repeats itself" in text for text in scan.said), scan.said
    assert liar.released > 0
    assert scan.described == 100


async def _always_more(server: Server, liar: Liar) -> None:
    """100,000 children with names as long as they may be, in bounded memory."""

    def browsed(node: ua.NodeId, at: int) -> ua.BrowseResult:
        if node.Identifier != ua.ObjectIds.ObjectsFolder:
            return page()
        return page(*(child(f"{at}.{n}", f"{at}.{n}.".ljust(500, "x")) for n in range(500)), more=at < 200)

    liar.browsed, before, released = browsed, liar.next, liar.released
    tracemalloc.start()
    try:
        scan = await scanned(server, nodes=800)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert scan.said[0].startswith("stopped at 800 nodes")
    assert (liar.next - before, liar.released - released) == (1, 1)
    assert peak < 40_000_000


async def _round_and_round(server: Server, liar: Liar) -> None:
    """A organizes B organizes A."""
    asked = list[str]()

    def browsed(node: ua.NodeId, _: int) -> ua.BrowseResult:
        asked.append(str(node.Identifier))
        names = {"A": ["B", "A"], "B": ["A"]}.get(str(node.Identifier), ["A"])
        return page(*(child(name, name, ua.NodeClass.Object) for name in names))

    liar.browsed = browsed
    scan = await scanned(server)
    assert sorted(asked) == ["85", "A", "B"]
    assert scan.said == []


async def _beyond_measure(server: Server, liar: Liar) -> None:
    """Names of a megabyte, and an answer of more than a message may have."""
    some = [child("long", "x" * 1_000_000), child("y" * 1_000_000, "Id"), child("good", "Good")]
    liar.browsed = lambda node, at: page(*some)
    scan = await scanned(server)
    assert scan.described == 1
    assert "left out: its name or node id is empty or too long" in scan.said[0]
    liar.browsed = lambda node, at: page(*(child(str(n), "x" * 1_000_000) for n in range(20)))
    with pytest.raises(NotConnected, match="more than 16 MiB"):
        await scanned(server)


async def test_fewer_answers_than_questions(monkeypatch: pytest.MonkeyPatch) -> None:
    """T22: wrong answers; what came before stays."""

    def browsed(node: ua.NodeId, _: int) -> ua.BrowseResult:
        return page(*(child(f"{n}", f"N{n}", ua.NodeClass.Object) for n in range(3)), child("V", "V"))

    async with lying(monkeypatch, browsed) as (server, liar):
        honest = liar.browse

        def short(params: ua.BrowseParameters) -> list[ua.BrowseResult]:
            found = honest(params)
            return found if len(found) == 1 else found[:-1]

        server.iserver.view_service.browse = short
        scan = await scanned(server)
    assert "it was asked for 4 things and answered 3" in scan.said[0]


async def test_a_server_that_pages_and_knows_no_next(monkeypatch: pytest.MonkeyPatch) -> None:
    async with lying(monkeypatch, lambda node, at: page(child("V", "V"), more=True), knows_next=False) as (server, _):
        scan = await scanned(server)
    assert any("on the way" in text for text in scan.said)


async def test_values_that_are_traps(monkeypatch: pytest.MonkeyPatch) -> None:
    """T22: a range that is a heap of variants, texts of an enumeration without end. The server may be given up for it;
    what it makes of the profile stays small."""
    async with lying(monkeypatch, None) as (server, _):
        nested: Any = ua.Variant(1.0)
        for _ in range(200):
            nested = ua.Variant([nested], ua.VariantType.Variant)
        any_type = ua.NodeId(ua.Int32(ua.ObjectIds.BaseDataType))
        texts = [ua.LocalizedText("x" * 300) for _ in range(5000)]
        state = await server.nodes.objects.add_variable(ua.NodeId("S", 1), "1:S", 1, ua.VariantType.UInt32)  # type: ignore[arg-type]
        await state.add_property(ua.NodeId("e", 1), "0:EnumStrings", texts)  # type: ignore[arg-type]
        scan = await scanned(server)
        (command,) = scan.describe("Liar").profile.device_commands
        (operation,) = command.resource_operations
        assert len(operation.mappings) == 1000
        assert all(len(text) == 200 for text in operation.mappings.values())
        variable = await server.nodes.objects.add_variable(ua.NodeId("V", 1), "1:V", 1.0)  # type: ignore[arg-type]
        await variable.add_property(ua.NodeId("r", 1), "0:EURange", nested, ua.VariantType.Variant, any_type)  # type: ignore[arg-type]
        scan = await scanned(server)
        assert scan.described == 2 or any("on the way" in text for text in scan.said)
