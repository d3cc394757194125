"""The yardstick: asyncua alone, at its lowest public level, subscribing to everything and dropping the values, or
browsing everything and counting it. No
profile, no store, no twin, no quality, no cloud, no API."""

import argparse
import asyncio
import logging
from collections.abc import Iterator

from asyncua import Client, ua

PUBLISHING_MS = 1000.0
ITEMS_PER_CALL = 1000
NODES_PER_BROWSE = 100


async def connect(url: str) -> Client:
    client = Client(url)
    await client.connect_sessionless()
    await client.create_session()
    await client.activate_session()
    return client


async def subscribe(client: Client, count: int) -> None:
    index = await client.get_namespace_index("urn:southgate:bench")
    session = client.uaclient.session
    wanted = ua.CreateSubscriptionParameters(
        RequestedPublishingInterval=PUBLISHING_MS,
        RequestedLifetimeCount=10_000,
        RequestedMaxKeepAliveCount=10,
        PublishingEnabled=True,
    )
    made = await session.create_subscription(wanted, lambda result: None)
    for items in _items(count, index):
        await session.create_monitored_items(
            ua.CreateMonitoredItemsParameters(
                SubscriptionId=made.SubscriptionId,
                TimestampsToReturn=ua.TimestampsToReturn.Both,
                ItemsToCreate=items,
            )
        )


def _items(count: int, index: int) -> Iterator[list[ua.MonitoredItemCreateRequest]]:
    for first in range(0, count, ITEMS_PER_CALL):
        yield [
            ua.MonitoredItemCreateRequest(
                ItemToMonitor=ua.ReadValueId(NodeId=ua.NodeId(f"R{i}", index), AttributeId=ua.AttributeIds.Value),  # type: ignore[arg-type]
                MonitoringMode=ua.MonitoringMode.Reporting,
                RequestedParameters=ua.MonitoringParameters(
                    ClientHandle=i, SamplingInterval=PUBLISHING_MS, QueueSize=2, DiscardOldest=True
                ),
            )
            for i in range(first, min(count, first + ITEMS_PER_CALL))
        ]


async def browse(client: Client) -> int:
    """How many nodes there are below Objects but for the server's own: each is browsed once, level by level, so many a
    call; properties and continuation points there are none of."""
    session = client.uaclient.session
    level, count = [ua.NodeId(ua.Int32(ua.ObjectIds.ObjectsFolder))], 0
    while level:
        found = []
        for first in range(0, len(level), NODES_PER_BROWSE):
            wanted = [_children(node) for node in level[first : first + NODES_PER_BROWSE]]
            for result in await session.browse(ua.BrowseParameters(NodesToBrowse=wanted)):
                found += [
                    one for one in result.References if one.ReferenceTypeId.Identifier != ua.ObjectIds.HasProperty
                ]
        level = [one.NodeId for one in found if one.NodeId.NamespaceIndex]
        count += len(level)
    return count


def _children(node: ua.NodeId) -> ua.BrowseDescription:
    return ua.BrowseDescription(
        NodeId=node,
        BrowseDirection=ua.BrowseDirection.Forward,
        ReferenceTypeId=ua.NodeId(ua.Int32(ua.ObjectIds.HierarchicalReferences)),
        IncludeSubtypes=True,
        NodeClassMask=ua.UInt32(ua.NodeClass.Object | ua.NodeClass.Variable | ua.NodeClass.Method),
        ResultMask=ua.UInt32(63),
    )


async def run(url: str, count: int) -> None:
    client = await connect(url)
    await subscribe(client, count)
    await asyncio.Event().wait()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("count", type=int)
    options = parser.parse_args()
    logging.disable(logging.CRITICAL)
    import uvloop

    uvloop.run(run(options.url, options.count))


if __name__ == "__main__":
    main()
