"""An OPC UA server of the library's, secured, for what needs a real channel."""

import logging
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from asyncua import Server, ua
from asyncua.crypto.permission_rules import User, UserRole
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests.support.certificates import URI, Recipe
from tests.support.ports import free_port

ALL = [one for one in ua.SecurityPolicyType if one is not ua.SecurityPolicyType.NoSecurity]
BEST = [ua.SecurityPolicyType.Aes256Sha256RsaPss_SignAndEncrypt]
NONE = [ua.SecurityPolicyType.NoSecurity]
"""Every policy and mode with security."""
TOKENS = (ua.AnonymousIdentityToken, ua.UserNameIdentityToken, ua.X509IdentityToken)


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
    server = Server(user_manager=users or Users())
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
