"""Who is at a URL: the servers known there, their endpoints and what they want of a user, in words.

GetEndpoints and FindServers need no session and no trust (Part 4, 5.5.2 and 5.5.4).
"""

from collections.abc import Sequence
from dataclasses import dataclass

from asyncua import ua

from gateway.model.contracts import Clock
from gateway.model.errors import NotConnected
from mappers.opcua.discovery.kinds import plain_text
from mappers.opcua.endpoint import Endpoint
from mappers.opcua.security.choice import MOST, NAMES, policy_of
from mappers.opcua.session.reaching import refused
from mappers.opcua.session.wire import BoundedClient

USERS = {
    ua.UserTokenType.Anonymous: "anybody",
    ua.UserTokenType.UserName: "a user with a password",
    ua.UserTokenType.Certificate: "a user with a certificate",
    ua.UserTokenType.IssuedToken: "a user with a token (which we have not)",
}


@dataclass(frozen=True, slots=True)
class Offer:
    """One endpoint."""

    url: str
    policy: str
    mode: str
    users: tuple[str, ...]
    """Who is let in."""
    level: int = 0
    """The server's own judgement: the higher the better."""

    def __str__(self) -> str:
        security = "no security" if self.policy == "None" else f"{self.policy}, {self.mode}"
        return f"{self.url}: {security}; lets in {', '.join(self.users) or 'nobody'}"


@dataclass(frozen=True, slots=True)
class Known:
    """A server."""

    name: str
    uri: str
    urls: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """What one URL says."""

    offers: tuple[Offer, ...]
    servers: tuple[Known, ...]


async def ask(endpoint: Endpoint, clock: Clock) -> Answer:
    """Raises NotConnected."""
    client = BoundedClient(endpoint.url, endpoint.timeout)
    try:
        async with clock.timeout(3 * endpoint.timeout):
            await client.connect_sessionless()
            offers = _offers(await client.get_endpoints())
            try:
                servers = _servers(await client.find_servers())
            except ua.UaStatusCodeError:  # a server need not know others
                servers = ()
    except Exception as error:  # noqa: BLE001 — what is ours `refused` raises
        raise NotConnected(refused(endpoint, client, error)) from None
    finally:
        await client.end()
    return Answer(offers, servers)


def _offers(found: Sequence[ua.EndpointDescription]) -> tuple[Offer, ...]:
    """Best first."""
    made = [_offer(one) for one in (found or ())[:MOST] if plain_text(one.EndpointUrl).startswith("opc.tcp://")]
    return tuple(sorted(made, key=lambda offer: (-offer.level, offer.policy == "None", str(offer))))


def _offer(one: ua.EndpointDescription) -> Offer:
    policy = policy_of(plain_text(one.SecurityPolicyUri))[:50]
    users = {USERS.get(token.TokenType, "somebody unknown"): None for token in (one.UserIdentityTokens or ())[:MOST]}
    return Offer(
        plain_text(one.EndpointUrl)[:500],
        policy,
        NAMES.get(one.SecurityMode, "Invalid"),
        tuple(users),
        int(one.SecurityLevel),
    )


def _servers(found: Sequence[ua.ApplicationDescription]) -> tuple[Known, ...]:
    return tuple(
        Known(
            plain_text(one.ApplicationName)[:200],
            plain_text(one.ApplicationUri)[:500],
            tuple(url for url in map(plain_text, (one.DiscoveryUrls or ())[:MOST]) if url.startswith("opc.tcp://")),
        )
        for one in (found or ())[:MOST]
    )
