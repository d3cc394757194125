"""An OPC UA server whose variables all change each second, in a process of its own: asyncua's, with the values put
straight into its address space, so that it keeps up on one core. Prints its URL."""

import argparse
import asyncio
import logging
import time
from datetime import UTC, datetime

from asyncua import Server, ua

from tests.support.ports import free_port

NAMESPACE = "urn:southgate:bench"
AT_ONCE = 500
"""Values put in before others get a turn."""


async def serve(count: int) -> None:
    """`count` Doubles named R0, R1, … that change together each second."""
    server = Server()
    await server.init()
    url = f"opc.tcp://127.0.0.1:{free_port()}/"
    server.set_endpoint(url)
    server.set_security_policy([ua.SecurityPolicyType.NoSecurity])
    index = await server.register_namespace(NAMESPACE)
    folder = await server.nodes.objects.add_folder(index, "Bench")
    nodes = [
        (await folder.add_variable(ua.NodeId(f"R{i}", index), f"R{i}", float(i))).nodeid  # type: ignore[arg-type]
        for i in range(count)
    ]
    async with server:
        print(url, flush=True)
        due, turn = time.monotonic(), 0
        while True:
            due, turn = due + 1.0, turn + 1
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            await _change(server, nodes, turn)


async def _change(server: Server, nodes: list[ua.NodeId], turn: int) -> None:
    now = datetime.now(UTC)
    for i, node in enumerate(nodes):
        value = ua.DataValue(ua.Variant(float(i + turn), ua.VariantType.Double), SourceTimestamp=now)
        await server.iserver.aspace.write_attribute_value(node, ua.AttributeIds.Value, value)
        if i % AT_ONCE == AT_ONCE - 1:
            await asyncio.sleep(0)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("count", type=int)
    logging.disable(logging.CRITICAL)
    import uvloop

    uvloop.run(serve(parser.parse_args().count))


if __name__ == "__main__":
    main()
