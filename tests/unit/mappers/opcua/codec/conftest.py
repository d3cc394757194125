"""An asyncua server with types of its own, and a client that learns them."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any

import pytest
from asyncua import Client, Server, ua
from asyncua.client.ua_session import UaSession
from asyncua.ua.attribute_ids import AttributeIds

from tests.support.opcua import plain_server
from tests.support.ports import free_port


class Asked:
    """A session, as `learn` wants one; counts what it was asked."""

    def __init__(self, session: UaSession) -> None:
        self._session = session
        self.reads: list[ua.NodeId] = []

    async def read(
        self, nodes: Sequence[ua.NodeId], attribute: AttributeIds = AttributeIds.Value
    ) -> list[ua.DataValue]:
        if not nodes:
            return []
        self.reads += nodes
        asked = ua.ReadParameters(NodesToRead=[ua.ReadValueId(node, attribute) for node in nodes])
        return await self._session.read(asked)

    async def in_batches(
        self, what: str, items: Sequence[Any], work: Callable[[UaSession, list[Any]], Awaitable[Sequence[Any]]]
    ) -> list[Any]:
        return list(await work(self._session, list(items))) if items else []


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    server = plain_server()
    await server.init()
    server.set_endpoint(f"opc.tcp://127.0.0.1:{free_port()}")
    server.set_security_policy([ua.SecurityPolicyType.NoSecurity])
    await server.register_namespace("urn:test")
    async with server:
        yield server


@pytest.fixture
async def client(server: Server) -> AsyncIterator[Client]:
    async with Client(server.endpoint.geturl()) as client:
        yield client


@pytest.fixture
def session(client: Client) -> Asked:
    return Asked(client.uaclient.session)
