"""Walks through address spaces in memory: large, looping, endless, lying (T22 for browsing)."""

from collections.abc import Sequence
from typing import Any

import pytest
from asyncua import ua
from asyncua.ua.object_ids import ObjectIds
from asyncua.ua.status_codes import StatusCodes

from gateway.model.errors import DeviceError, GatewayError, NoAnswer, NotConnected
from mappers.opcua.discovery.glob import Globs
from mappers.opcua.discovery.walk import OBJECT, OBJECTS, Found, Limits, Walk
from tests.support.clock import MovingClock
from tests.unit.mappers.opcua.discovery.fake import METHOD, URIS, VARIABLE, Fake, node

START = "i=85"


def start() -> Found:
    return Found(OBJECTS, OBJECT, 0, "Objects", "Objects")


async def walked(server: Any, *paths: str, limits: Limits | None = None, clock: MovingClock | None = None) -> Walk:
    walk = Walk(server, URIS, Globs(paths), limits or Limits(), clock or MovingClock())
    await walk.run(start(), nothing)
    return walk


async def nothing() -> None:
    """After each batch."""


def names(walk: Walk) -> list[str]:
    """What can be taken."""
    found = walk.take()
    assert walk.take() == []
    assert len(found) == walk.found
    return ["/".join(step.name for step in one.path) for one in found]


def machine(**manners: Any) -> Fake:
    server = Fake(**manners)
    server.add(START, "i=2253", "0:Server")
    server.variable("i=2253", "i=2254", "0:ServerArray")
    for press in ("Press", "Oven"):
        server.add(START, f"ns=2;s={press}")
        server.variable(f"ns=2;s={press}", f"ns=2;s={press}.Speed", "2:Speed")
        server.about(f"ns=2;s={press}.Speed", "EURange", None)
        server.add(f"ns=2;s={press}", f"ns=2;s={press}.Axis", "2:Axis")
        server.variable(f"ns=2;s={press}.Axis", f"ns=2;s={press}.Axis.Position", "2:Position")
        server.add(f"ns=2;s={press}", f"ns=2;s={press}.Start", "2:Start", METHOD)
    return server


async def test_everything_but_the_server_itself_is_found_once_in_few_calls() -> None:
    server = machine()
    walk = await walked(server)
    speed = next(one for one in walk._ready if one.name == "Speed")
    assert list(speed.about) == ["EURange"]
    assert sorted(names(walk)) == [
        "Oven/Axis/Position", "Oven/Speed", "Oven/Start", "Press/Axis/Position", "Press/Speed", "Press/Start"
    ]  # fmt: skip
    assert walk.said == []
    assert server.calls["browse"] == 4  # one for each depth
    assert max(server.asked.values()) == 1


async def test_the_server_itself_when_it_is_named() -> None:
    assert names(await walked(machine(), "/Server/**")) == ["Server/ServerArray"]


async def test_what_cannot_match_is_not_browsed() -> None:
    server = machine()
    assert names(await walked(server, "/Press/*")) == ["Press/Speed", "Press/Start"]
    assert {"ns=2;s=Oven", "ns=2;s=Press.Axis", "i=2253"}.isdisjoint(server.asked)


async def test_a_node_on_two_ways_is_found_on_the_one_that_is_asked_for() -> None:
    server = machine()
    server.add("ns=2;s=Oven", "ns=2;s=Press.Axis", "2:Borrowed", by=ObjectIds.Organizes)
    assert names(await walked(server, "/Oven/Borrowed/*")) == ["Oven/Borrowed/Position"]
    assert names(await walked(server, "/*/Axis/No", "/Oven/Borrowed/Pos*")) == ["Oven/Borrowed/Position"]
    assert sum(name.endswith("Press/Axis/Position") for name in names(await walked(server))) == 1


async def test_properties_of_objects_are_values_and_those_of_variables_are_not() -> None:
    server = machine()
    server.add("ns=2;s=Press", "ns=2;s=Serial", "2:SerialNumber", VARIABLE, ObjectIds.HasProperty)
    server.add("ns=2;s=Press.Speed", "ns=2;s=Own", "2:Vendors", VARIABLE, ObjectIds.HasProperty)
    server.variable("ns=2;s=Press.Speed", "ns=2;s=Press.Speed.Setpoint", "2:Setpoint")
    found = names(await walked(server, "/Press/**"))
    assert {"Press/SerialNumber", "Press/Speed/Setpoint"} < set(found)
    assert "Press/Speed/Vendors" not in found


async def test_many_children_come_over_continuation_points() -> None:
    server = Fake(page=50, points=1)
    for folder in range(5):
        server.add(START, f"ns=2;s=F{folder}")
        for child in range(203):
            server.variable(f"ns=2;s=F{folder}", f"ns=2;s=F{folder}.{child}")
    walk = await walked(server)
    assert len(names(walk)) == 1015
    assert walk.said == []
    assert not server.open


async def test_a_hundred_thousand_children_stop_at_the_bound_and_the_points_are_released() -> None:
    server = Fake(page=1000)
    for child in range(100_000):
        server.add(START, f"ns=2;i={child}", kind=VARIABLE)
    walk = await walked(server, limits=Limits(nodes=5000))
    assert walk.seen == len(names(walk)) + 1 == 5000
    assert walk.said == ["stopped at 5,000 nodes; narrow it with --path or --node, or raise --max"]
    assert server.calls["release"] == 1
    assert not server.open


async def test_loops_end() -> None:
    server = Fake()
    server.add(START, "ns=2;s=A")
    server.add("ns=2;s=A", "ns=2;s=B", by=ObjectIds.Organizes)
    server.add("ns=2;s=B", "ns=2;s=A", by=ObjectIds.Organizes)
    server.add("ns=2;s=B", "ns=2;s=B", by=ObjectIds.Organizes)
    server.variable("ns=2;s=B", "ns=2;s=V")
    walk = await walked(server)
    assert names(walk) == ["A/B/V"]
    assert set(server.asked.values()) == {1}
    pruned = await walked(server, "/**/A/**/V")
    assert names(pruned) == ["A/B/V"]


async def test_depth_is_bounded() -> None:
    server = Fake()
    above = START
    for depth in range(30):
        above = server.add(above, f"ns=2;s=D{depth}")
    server.variable("ns=2;s=D2", "ns=2;s=V2")
    walk = await walked(server, limits=Limits(depth=4))
    assert names(walk) == ["D0/D1/D2/V2"]
    assert walk.said == ["1 nodes at depth 4 were not looked into; see --depth"]


class Endless(Fake):
    """Whatever is browsed goes on and on with the same two nodes, or with nothing."""

    empty = False

    def _page(self, of: str, at: int, one: ua.BrowseDescription | None = None, most: int = 0) -> ua.BrowseResult:
        result = super()._page(of, 0, one, most)
        result.ContinuationPoint = ua.ContinuationPoint(b"more")
        self.open[b"more"] = of, 0
        if self.empty:
            result.References = []
        return result


@pytest.mark.parametrize("empty", [False, True])
async def test_endless_continuation_points_end(empty: bool) -> None:
    """T22: endless continuation points."""
    server = Endless()
    server.add(START, "ns=2;s=A")
    server.add(START, "ns=2;s=B")
    server.empty = empty
    walk = await walked(server, limits=Limits(nodes=100))
    assert "the server repeats itself" in walk.said[0]
    assert server.calls["next"] < 25_000
    assert server.calls["release"] == 1


class Growing(Fake):
    """Every node has two children that nobody has seen."""

    def _page(self, of: str, at: int, one: ua.BrowseDescription | None = None, most: int = 0) -> ua.BrowseResult:
        self.references[of] = []
        for side in "ab":
            self.add(of, f"ns=2;s={of[-20:]}{side}{self.calls['browse']}{len(self.references)}", f"2:{side}")
        return super()._page(of, at, one, most)


async def test_a_tree_without_end_ends() -> None:
    walk = await walked(Growing(), limits=Limits(nodes=3000, depth=1000))
    assert walk.seen == 3000
    assert walk.said[0].startswith("stopped at 3,000 nodes")


async def test_names_without_measure_are_left_out() -> None:
    server = machine()
    server.add("ns=2;s=Press", "ns=2;s=Long", "2:" + "x" * 1_000_000, VARIABLE)
    server.add("ns=2;s=Press", "ns=2;s=" + "y" * 1_000_000, "2:Id", VARIABLE)
    walk = await walked(server)
    assert len(names(walk)) == 6
    assert walk.refused == {"its name or node id is empty or too long": 2}


async def test_time_is_bounded() -> None:
    clock = MovingClock()

    class Slow(Growing):
        async def browse(self, nodes: Sequence[ua.BrowseDescription], most: int) -> list[ua.BrowseResult]:
            await clock.advance(10)
            return await super().browse(nodes, most)

    walk = await walked(Slow(), limits=Limits(seconds=60), clock=clock)
    assert walk.said == ["stopped after 60 s; narrow it with --path or --node, or raise --time"]


class Failing(Fake):
    """Says something else from some call on."""

    def __init__(self, error: GatewayError, good: int) -> None:
        super().__init__()
        self.error, self.good = error, good

    async def browse(self, nodes: Sequence[ua.BrowseDescription], most: int) -> list[ua.BrowseResult]:
        if self.calls["browse"] >= self.good:
            raise self.error
        return await super().browse(nodes, most)


ERRORS = [NotConnected("the server hung up"), NoAnswer("no answer in 5 s"), DeviceError("BadInternalError", "refused")]


@pytest.mark.parametrize("error", ERRORS)
async def test_what_was_found_before_it_failed_is_kept(error: GatewayError) -> None:
    server = Failing(error, good=1)
    server.add(START, "ns=2;s=A")
    server.variable(START, "ns=2;s=V")
    walk = await walked(server)
    assert names(walk) == ["V"]
    assert walk.said == [f"the server or the connection failed on the way: {error}"]


async def test_what_is_found_can_be_taken_while_it_goes_on() -> None:
    server, taken = machine(), list[list[str]]()
    walk = Walk(server, URIS, Globs(), Limits(), MovingClock())

    async def take() -> None:
        taken.append([one.name for one in walk.take()])

    await walk.run(start(), take)
    assert taken == [[], [], ["Speed", "Start", "Speed", "Start"], ["Position", "Position"]]


@pytest.mark.parametrize("error", ERRORS)
async def test_when_nothing_is_found_it_says_why(error: GatewayError) -> None:
    with pytest.raises(type(error)):
        await walked(Failing(error, good=0))


async def test_nodes_that_the_server_refuses_are_counted_and_the_others_go_on() -> None:
    class Refusing(Fake):
        def _page(self, of: str, at: int, one: ua.BrowseDescription | None = None, most: int = 0) -> ua.BrowseResult:
            if of == "ns=2;s=Secret":
                return ua.BrowseResult(StatusCode=ua.StatusCode(ua.UInt32(StatusCodes.BadUserAccessDenied)))
            return super()._page(of, at, one, most)

    server = Refusing()
    server.add(START, "ns=2;s=Secret")
    server.variable(START, "ns=2;s=V")
    walk = await walked(server)
    assert names(walk) == ["V"]
    assert walk.refused == {"BadUserAccessDenied": 1}


async def test_nodes_of_other_servers_are_not_followed() -> None:
    server = Fake()
    server.variable(START, "ns=2;s=Here")
    server.variable(START, "ns=2;s=Elsewhere")
    server.variable(START, "ns=0;s=ByUri", "2:ByUri")
    server.references["i=85"][1].NodeId.ServerIndex = ua.Int32(1)
    server.references["i=85"][2].NodeId.NamespaceUri = ua.String("urn:acme:press")
    walk = await walked(server)
    assert [one.id for one in walk.take()] == [node("ns=2;s=Here"), node("ns=2;s=ByUri")]
