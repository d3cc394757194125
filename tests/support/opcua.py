"""An OPC UA server of the library's, secured, and sessions with it as a device's file wants them."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from asyncua import Client, Server, ua
from asyncua.crypto.permission_rules import User, UserRole
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from gateway.model.errors import NotConnected
from gateway.model.place import Place
from gateway.runtime.clock import SystemClock
from mappers.opcua.endpoint import AUTO, Endpoint
from mappers.opcua.security import papers
from mappers.opcua.security.choice import NAMES, policy_of
from mappers.opcua.security.opening import open_session
from mappers.opcua.security.trustlist import TrustList
from simulators.opcua.standard import Standard
from tests.support.certificates import URI, Recipe
from tests.support.ports import free_port

SECRET = "c4nary-p4ssw0rd"
"""Stands nowhere but in its file."""
ALL = [one for one in ua.SecurityPolicyType if one is not ua.SecurityPolicyType.NoSecurity]
"""Every policy and mode with security."""
BEST = [ua.SecurityPolicyType.Aes256Sha256RsaPss_SignAndEncrypt]
NONE = [ua.SecurityPolicyType.NoSecurity]


@dataclass
class Users:
    """Who may log in, and what came to decide on it."""

    passwords: dict[str, str] = field(default_factory=dict)
    certificates: list[bytes] = field(default_factory=list)
    anonymous: bool = True
    seen: list[tuple[str | None, str | None, bytes | None]] = field(default_factory=list)

    def get_user(
        self, iserver: Any, username: str | None = None, password: str | None = None, certificate: Any = None
    ) -> User | None:
        self.seen.append((username, password, certificate))
        if username:
            known = self.passwords.get(username) == password
        else:
            known = self.anonymous or certificate in self.certificates
        return User(role=UserRole.User, name=username or "") if known else None


def plain_server(users: "Users | None" = None) -> Server:
    """asyncua's, which starts and stops in a tenth of a second instead of three: its standard nodes are made once for
    the process, and sessions of clients that were killed end with it."""
    return Server(Standard(users))


@asynccontextmanager
async def secured(
    recipe: Recipe | None = None,
    policies: Sequence[ua.SecurityPolicyType] = (),
    users: Users | None = None,
    prepare: Callable[[Server], None] = lambda _: None,
) -> AsyncIterator[Server]:
    """Runs one; its URL is `server.endpoint.geturl()`. Without a recipe it has no certificate. `prepare` is called
    before it starts."""
    logging.getLogger("asyncua").setLevel(logging.CRITICAL + 1)
    server = plain_server(users or Users())
    await server.init()
    server.set_endpoint(f"opc.tcp://127.0.0.1:{free_port()}")
    await server.set_application_uri(URI)
    server.set_security_policy(list(policies or BEST))
    if recipe is not None:
        key = recipe.key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
        await server.load_certificate(recipe.der(), "der")
        await server.load_private_key(key, format="der")
    prepare(server)
    async with server:
        yield server


def endpoint(server: Server | str, **changes: object) -> Endpoint:
    url = server if isinstance(server, str) else server.endpoint.geturl()
    return replace(Endpoint(url, AUTO, AUTO, False, "", "", "", "", 5.0, None, None), **changes)  # type: ignore[arg-type]


def trust_server(place: Place, server: Server) -> str:
    shown = papers.of(server.iserver.certificate)
    TrustList(place).refuse(shown, "opc.tcp://elsewhere:4840")
    TrustList(place).trust(shown.thumbprint)
    return shown.thumbprint


@asynccontextmanager
async def session(asked: Endpoint, place: Place) -> AsyncIterator[Client]:
    """An open one, which can read."""
    client = Client(asked.url, asked.timeout)
    try:
        await open_session(client, asked, place, SystemClock())
        await client.nodes.server_state.read_value()
        yield client
    finally:
        with suppress(Exception):
            await client.close_session()
        with suppress(Exception):
            await client.close_secure_channel()
        client.disconnect_socket()
        await asyncio.sleep(0)


async def refused(asked: Endpoint, place: Place) -> str:
    """The words."""
    with pytest.raises(NotConnected) as caught:
        async with session(asked, place):
            pass
    assert SECRET not in str(caught.value)
    return str(caught.value)


def used(client: Client) -> tuple[str, str]:
    policy = client.security_policy
    return policy_of(policy.URI), NAMES[policy.Mode]
