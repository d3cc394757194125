"""Browsing 10,000 nodes of an OPC UA server in a process of its own: our walk, and plain batched calls, in turns.

`python -m tests.bench.browse serve`: the server; prints its URL. `… ask URL`: both, each `ROUNDS` times; prints their
medians as JSON.
"""

import argparse
import asyncio
import json
import logging
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator

from asyncua import Server, ua

from gateway.model.device import Device
from gateway.model.place import Place
from gateway.runtime.clock import SystemClock
from mappers.opcua.discovery.asks import Looking
from mappers.opcua.discovery.describe import Product, describe
from mappers.opcua.discovery.glob import Globs
from mappers.opcua.discovery.inquire import Inquiry
from mappers.opcua.discovery.walk import OBJECT, OBJECTS, Found, Limits, Walk
from mappers.opcua.endpoint import reach
from mappers.opcua.session.session import Session
from tests.bench import bare_opcua
from tests.bench.rig import Figure, process
from tests.support.ports import free_port

OBJECTS_OF_IT, VALUES = 100, 99
"""Objects, and variables in each; every tenth variable has a range and a unit besides."""
NODES = OBJECTS_OF_IT * (VALUES + 1)
ROUNDS = 5


def browse() -> Iterator[Figure]:
    """Nodes a second, against the yardstick in the same run."""
    with process(sys.executable, "-m", "tests.bench.browse", "serve") as server:
        assert server.stdout is not None
        command = (sys.executable, "-m", "tests.bench.browse", "ask", server.stdout.readline().strip())
        said = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    load = f"{NODES:,} nodes of asyncua's server, 100 a call, no security; medians of {ROUNDS} rounds in turns"
    yield Figure("opcua.browse.nodes_per_s_ratio", said["bare"] / said["walk"], "ratio", load)
    yield Figure("opcua.browse.nodes_per_s", NODES / said["walk"], "1/s", load)
    yield Figure("opcua.browse.bare_nodes_per_s", NODES / said["bare"], "1/s", load + "; plain batched calls only")
    described = load + "; with attributes, units, ranges and types, as a profile"
    yield Figure("opcua.browse.described_per_s", NODES / said["described"], "1/s", described)


async def _serve() -> None:
    server = Server()
    await server.init()
    url = f"opc.tcp://127.0.0.1:{free_port()}"
    server.set_endpoint(url)
    server.set_security_policy([ua.SecurityPolicyType.NoSecurity])
    index = await server.register_namespace("urn:southgate:bench")
    for number in range(OBJECTS_OF_IT):
        parent = await server.nodes.objects.add_object(ua.NodeId(f"O{number}", index), f"{index}:O{number}")  # type: ignore[arg-type]
        for value in range(VALUES):
            name = f"O{number}.V{value}"
            node = await parent.add_variable(ua.NodeId(name, index), f"{index}:V{value}", 1.0)  # type: ignore[arg-type]
            if value % 10 == 0:
                await node.add_property(ua.NodeId(f"{name}.r", index), "0:EURange", ua.Range(0.0, 10.0))  # type: ignore[arg-type]
                units = ua.EUInformation(DisplayName=ua.LocalizedText("bar"))
                await node.add_property(ua.NodeId(f"{name}.u", index), "0:EngineeringUnits", units)  # type: ignore[arg-type]
    async with server:
        print(url, flush=True)
        await asyncio.Event().wait()


async def _ask(url: str) -> None:
    client, session = await bare_opcua.connect(url), _session(url)
    await session.connect()
    try:
        taken: dict[str, list[float]] = {"bare": [], "walk": [], "described": []}
        for _ in range(ROUNDS):
            taken["bare"].append(await _timed(lambda: bare_opcua.browse(client)))
            taken["walk"].append(await _timed(lambda: _walk(session)))
            taken["described"].append(await _timed(lambda: _described(session)))
        print(json.dumps({name: statistics.median(times) for name, times in taken.items()}))
    finally:
        await session.close()
        await client.disconnect()


async def _timed(work: Callable[[], Awaitable[int]]) -> float:
    """Seconds for all nodes."""
    began = time.perf_counter()
    found = await work()
    assert found >= NODES - OBJECTS_OF_IT, found
    return time.perf_counter() - began


def _session(url: str) -> Session:
    protocols = {"opcua": {"Endpoint": url, "SecurityPolicy": "None", "AllowNone": True}}
    return Session(reach(Device(name="bench", protocols=protocols))[0], SystemClock(), Place())


async def _walk(session: Session) -> int:
    return (await _walked(session, None)).seen


async def _described(session: Session) -> int:
    inquiry = Inquiry(Looking(session), session.namespaces.now)
    await _walked(session, inquiry)
    made = describe(inquiry.variables, inquiry.methods, Product(), "Bench")
    return len(made.profile.device_resources)


async def _walked(session: Session, inquiry: Inquiry | None) -> Walk:
    walk = Walk(Looking(session), session.namespaces.now, Globs(), Limits(), SystemClock())

    async def each() -> None:
        if inquiry is not None:
            await inquiry.run(walk.take())

    await walk.run(Found(OBJECTS, OBJECT, 0, "Objects", "Objects"), each)
    await each()
    return walk


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=["serve", "ask"])
    parser.add_argument("url", nargs="?", default="")
    options = parser.parse_args()
    logging.disable(logging.CRITICAL)
    import uvloop

    uvloop.run(_serve() if options.what == "serve" else _ask(options.url))


if __name__ == "__main__":
    main()
