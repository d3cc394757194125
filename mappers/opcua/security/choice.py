"""Which of the endpoints that a server offers is used (Part 4, 5.5.4): as the device's file says, else the best."""

from collections.abc import Sequence
from dataclasses import dataclass

from asyncua import ua

from gateway.model.errors import NotConnected
from mappers.opcua.endpoint import AUTO, BROKEN, MODES, POLICIES, Endpoint
from mappers.opcua.security.papers import shown

NAMES = {
    ua.MessageSecurityMode.None_: MODES[0],
    ua.MessageSecurityMode.Sign: MODES[1],
    ua.MessageSecurityMode.SignAndEncrypt: MODES[2],
}
MOST, MOST_SHOWN = 200, 12
"""Endpoints of a server that are looked at, and that are named."""
_BY_LETTERS = {policy.lower(): policy for policy in POLICIES}
_ALLOW = "add `AllowNone: true` under protocols.opcua of its devices"


@dataclass(frozen=True, slots=True)
class Offer:
    """An endpoint, as far as it matters here."""

    policy: str
    """One of `POLICIES`, or what we do not know."""
    mode: str
    application_uri: str
    certificate: bytes
    """As sent; a chain may follow."""
    tokens: tuple[ua.UserTokenPolicy, ...]

    def __str__(self) -> str:
        return "None" if self.policy == self.mode == "None" else f"{shown(self.policy)} {self.mode}"


def policy_of(uri: str | None) -> str:
    """`Aes256Sha256RsaPss` of `http://opcfoundation.org/UA/SecurityPolicy#Aes256_Sha256_RsaPss`."""
    name = (uri or "").rpartition("#")[2]
    return _BY_LETTERS.get(name.replace("_", "").lower(), name or "(none)")


def offers(described: Sequence[ua.EndpointDescription] | None) -> list[Offer]:
    """Those that are reached over opc.tcp; of a server that has endlessly many, the first."""
    found = []
    for one in (described or ())[:MOST]:
        if not (one.EndpointUrl or "opc.tcp").startswith("opc.tcp"):
            continue
        uri = (one.Server.ApplicationUri if one.Server else "") or ""
        mode = NAMES.get(one.SecurityMode, "Invalid")
        tokens = tuple(one.UserIdentityTokens or ())
        found.append(Offer(policy_of(one.SecurityPolicyUri), mode, uri, bytes(one.ServerCertificate or b""), tokens))
    return found


def choose(endpoint: Endpoint, offered: Sequence[Offer], proved: str = "") -> Offer:
    """`proved`: thumbprint of a trusted certificate that this server has shown before. Raises NotConnected, saying what
    is offered and which line would make it work."""
    found = best(endpoint, offered)
    if found is not None and found.policy != "None":
        return found
    there = ", ".join(list(dict.fromkeys(map(str, offered)))[:MOST_SHOWN]) or "nothing"
    if found is not None and endpoint.allow_none and proved:
        raise NotConnected(
            f"{endpoint.url} offers no security now ({there}), but has proved before with the certificate {proved} who "
            "it is. If that is meant, write `SecurityPolicy: None` beside AllowNone, or: southgate opcua distrust "
            f"{proved}"
        )
    if found is not None and endpoint.allow_none:
        return found
    raise NotConnected(f"{endpoint.url} {_why_none(endpoint, offered)} (it offers {there})")


def best(endpoint: Endpoint, offered: Sequence[Offer]) -> Offer | None:
    """What would be chosen of these; None: nothing."""
    return max((offer for offer in offered if _fits(endpoint, offer)), key=_rank, default=None)


def _fits(endpoint: Endpoint, offer: Offer) -> bool:
    if offer.policy not in POLICIES or (offer.policy == "None") != (offer.mode == "None"):
        return False
    if endpoint.policy == AUTO and offer.policy in BROKEN:
        return False
    return endpoint.policy in (AUTO, offer.policy) and endpoint.mode in (AUTO, offer.mode)


def _rank(offer: Offer) -> tuple[int, int]:
    return MODES.index(offer.mode), POLICIES.index(offer.policy)


def _why_none(endpoint: Endpoint, offered: Sequence[Offer]) -> str:
    if endpoint.policy != AUTO or endpoint.mode != AUTO:
        asked = " ".join(word for word in (endpoint.policy, endpoint.mode) if word != AUTO)
        return f"does not offer {asked}; leave SecurityPolicy and SecurityMode out, or name what it has"
    broken = [offer.policy for offer in offered if offer.policy in BROKEN]
    if broken:
        return (
            f"offers only security that is broken; switch a better policy on there, or, if it can no better, write "
            f"`SecurityPolicy: {max(broken, key=POLICIES.index)}` under protocols.opcua of its devices"
        )
    if "None" in map(str, offered):
        return (
            "offers no security: whoever is on the network would read and change values. Switch a security policy on "
            f"there; or, if no security is meant, {_ALLOW}"
        )
    return f"offers no endpoint that is spoken here; known are {', '.join(POLICIES[:0:-1])}"
