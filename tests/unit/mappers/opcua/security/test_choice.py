"""The best of what is offered, never less than the device's file allows (T35)."""

from dataclasses import replace

import pytest
from asyncua import ua

from gateway.model.errors import NotConnected
from mappers.opcua.endpoint import AUTO, MODES, POLICIES, Endpoint
from mappers.opcua.security.choice import Offer, best, choose, offers, policy_of

ANY = Endpoint("opc.tcp://plc:4840", AUTO, AUTO, False, "", "", "", "", 5.0, None, None)


def offered(*names: str) -> list[Offer]:
    """`Basic256Sha256 Sign`."""
    return [Offer(policy, mode or "None", "urn:x", b"c", ()) for policy, _, mode in (n.partition(" ") for n in names)]


EVERY = offered(*[f"{policy} {mode}" for policy in POLICIES[1:] for mode in MODES[1:]], "None")


def chosen(endpoint: Endpoint, *names: str, proved: str = "") -> str:
    return str(choose(endpoint, offered(*names) if names else EVERY, proved))


def test_the_best_is_chosen() -> None:
    assert chosen(ANY) == "Aes256Sha256RsaPss SignAndEncrypt"
    assert chosen(ANY, "None", "Basic256Sha256 Sign", "Aes128Sha256RsaOaep Sign") == "Aes128Sha256RsaOaep Sign"
    assert chosen(ANY, "Aes256Sha256RsaPss Sign", "Basic256Sha256 SignAndEncrypt") == "Basic256Sha256 SignAndEncrypt"


@pytest.mark.parametrize("policy", POLICIES[1:])
@pytest.mark.parametrize("mode", MODES[1:])
def test_what_the_file_names_is_used(policy: str, mode: str) -> None:
    assert chosen(replace(ANY, policy=policy, mode=mode)) == f"{policy} {mode}"
    assert chosen(replace(ANY, policy=policy)) == f"{policy} SignAndEncrypt"
    assert chosen(replace(ANY, mode=mode)) == f"Aes256Sha256RsaPss {mode}"


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["None"], ["no security", "`AllowNone: true` under protocols.opcua", "it offers None"]),
        (["Basic256 Sign", "Basic128Rsa15 Sign", "None"], ["broken", "`SecurityPolicy: Basic256`"]),
        (["Curve25519 Sign"], ["no endpoint that is spoken", "Curve25519 Sign", "Aes256Sha256RsaPss"]),
        (["Basic256Sha256 None", "None Sign"], ["no endpoint that is spoken"]),
    ],
)
def test_none_and_what_is_broken_are_refused_with_the_line_that_would_allow_it(
    names: list[str], words: list[str]
) -> None:
    """T35."""
    with pytest.raises(NotConnected) as caught:
        choose(ANY, offered(*names))
    assert [word for word in words if word not in str(caught.value)] == []


def test_a_server_that_offers_nothing() -> None:
    with pytest.raises(NotConnected, match="it offers nothing"):
        choose(ANY, [])


def test_what_the_file_names_and_the_server_has_not_is_refused() -> None:
    asked = replace(ANY, policy="Basic256Sha256", mode="Sign", allow_none=True)
    with pytest.raises(NotConnected, match=r"does not offer Basic256Sha256 Sign.*it offers Basic256 Sign, None"):
        choose(asked, offered("Basic256 Sign", "None"))
    with pytest.raises(NotConnected, match="does not offer Sign;"):
        choose(replace(ANY, mode="Sign", allow_none=True), offered("None"))


def test_none_is_used_where_it_is_allowed_and_nothing_better_is_there() -> None:
    allowed = replace(ANY, allow_none=True)
    assert chosen(allowed, "None") == "None"
    assert chosen(allowed, "None", "Basic256 Sign") == "None", "what is broken is not used unless it is named"
    assert chosen(allowed, "None", "Basic256Sha256 Sign") == "Basic256Sha256 Sign"


def test_who_has_proved_who_he_is_cannot_become_nobody() -> None:
    """Whoever is in between could leave the better endpoints out."""
    with pytest.raises(NotConnected, match=r"`SecurityPolicy: None` beside AllowNone.*distrust ABCD"):
        chosen(replace(ANY, allow_none=True), "None", proved="ABCD")


def test_endpoints_are_read_as_servers_write_them() -> None:
    described = [
        ua.EndpointDescription(
            EndpointUrl="opc.tcp://plc:4840",
            SecurityMode=ua.MessageSecurityMode.Sign,
            SecurityPolicyUri="http://opcfoundation.org/UA/SecurityPolicy#Aes256_Sha256_RsaPss",
        ),
        ua.EndpointDescription(EndpointUrl="https://plc", SecurityMode=ua.MessageSecurityMode.SignAndEncrypt),
        ua.EndpointDescription(EndpointUrl=None, SecurityPolicyUri=None),
    ]
    found = offers(described)
    assert [str(one) for one in found] == ["Aes256Sha256RsaPss Sign", "(none) Invalid"]
    assert best(ANY, found) == found[0]
    assert offers(None) == []


def test_every_policy_of_the_library_is_known() -> None:
    uris = {policy.URI for policy, _, _ in _library().values()}
    assert {policy_of(uri) for uri in uris} == set(POLICIES)


def _library() -> dict[ua.SecurityPolicyType, tuple]:  # type: ignore[type-arg]
    from asyncua.crypto.security_policies import SECURITY_POLICY_TYPE_MAP

    return SECURITY_POLICY_TYPE_MAP  # type: ignore[return-value]


def test_a_server_of_endlessly_many_endpoints_fills_no_log() -> None:
    described = [
        ua.EndpointDescription(EndpointUrl="opc.tcp://x", SecurityPolicyUri=f"#{n}{'x' * 999}") for n in range(5000)
    ]
    found = offers(described)
    with pytest.raises(NotConnected) as caught:
        choose(ANY, found)
    assert len(found) == 200
    assert len(str(caught.value)) < 4000
