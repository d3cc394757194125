"""Sessions with real OPC UA servers: every policy and mode, every kind of user, everything that is wrong (T35, T37)."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from asyncua import Client, Server, ua
from asyncua.common.utils import ServiceError
from asyncua.crypto.security_policies import SECURITY_POLICY_TYPE_MAP

from gateway.model.errors import NotConnected
from gateway.model.place import Place
from gateway.runtime.clock import SystemClock
from mappers.opcua.endpoint import AUTO, Endpoint
from mappers.opcua.security import papers
from mappers.opcua.security.choice import NAMES, policy_of
from mappers.opcua.security.looking import look_at
from mappers.opcua.security.opening import open_session
from mappers.opcua.security.trustlist import TrustList
from tests.support.certificates import NOW, Recipe, key, put
from tests.support.opcua import ALL, BEST, NONE, Users, secured
from tests.support.ports import free_port

SECRET = "c4nary-p4ssw0rd"
GOOD = Recipe()


@pytest.fixture
def place(tmp_path: Path) -> Place:
    (tmp_path / "secret").write_text(SECRET + "\n")
    return Place("test", tmp_path / "data", tmp_path)


def endpoint(server: Server | str, **changes: object) -> Endpoint:
    url = server if isinstance(server, str) else server.endpoint.geturl()
    return replace(Endpoint(url, AUTO, AUTO, False, "", "", "", "", 5.0, None, None), **changes)  # type: ignore[arg-type]


def trust(place: Place, recipe: Recipe = GOOD, url: str = "opc.tcp://elsewhere:4840") -> str:
    """As a person does who has compared the thumbprint. The certificate must be the server's: certificates are signed
    anew each time."""
    shown = papers.of(recipe.made())
    TrustList(place).refuse(shown, url)
    TrustList(place).trust(shown.thumbprint)
    return shown.thumbprint


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


async def test_every_policy_and_mode_with_every_kind_of_user(place: Place) -> None:
    """T35: eleven ways of security, each with nobody, a user with a password and one with a certificate."""
    theirs = Recipe(key=key("user"), uri=None, subject="operator")
    certificate, private = put(place.folder / "user", theirs)
    users = Users({"operator": SECRET}, [certificate.read_bytes()])
    who = [{}, {"user": "operator", "password_file": "secret"}]
    who.append({"certificate": str(certificate), "private_key": str(private.relative_to(place.folder))})
    async with secured(GOOD, [*ALL, *NONE], users) as server:
        trust_server(place, server)
        for kind in ALL:
            library, mode, _ = SECURITY_POLICY_TYPE_MAP[kind]
            policy = policy_of(library.URI)
            for one in who:
                asked = endpoint(server, policy=policy, mode=NAMES[mode], **one)
                async with session(asked, place) as client:
                    assert used(client) == (policy, NAMES[mode])
        passwords = [password for name, password, _ in users.seen if name]
        assert passwords == [SECRET] * len(ALL)
        assert [seen for _, _, seen in users.seen if seen == certificate.read_bytes()] != []
        async with session(endpoint(server), place) as client:
            assert used(client) == ("Aes256Sha256RsaPss", "SignAndEncrypt"), "auto is the best"
        async with session(endpoint(server, policy="None", mode="None", allow_none=True), place) as client:
            assert used(client) == ("None", "None")


async def test_an_unknown_certificate_is_refused_kept_and_accepted_with_the_command_that_was_told(place: Place) -> None:
    """T35: wrong thumbprint; the gateway takes the trusted one at its next attempt."""
    async with secured(GOOD) as server:
        asked, shown = endpoint(server), papers.of(server.iserver.certificate)
        said = await refused(asked, place)
        for words in (shown.thumbprint, "CN=Press 4", "not trusted", f"southgate opcua trust {shown.thumbprint}"):
            assert words in said
        assert [(kept.papers, kept.endpoints) for kept in TrustList(place).refused()] == [(shown, (asked.url,))]
        TrustList(place).trust(shown.thumbprint)
        async with session(asked, place):
            pass
        TrustList(place).distrust(shown.thumbprint)
        assert "not trusted" in await refused(asked, place)


async def test_another_certificate_than_before_is_told_as_that(place: Place) -> None:
    """T35: a changed one, at the same endpoint."""
    async with secured(GOOD) as server:
        asked, old = endpoint(server), trust_server(place, server)
        async with session(asked, place):
            pass
        _shows(server, Recipe(key=key("second"), subject="Somebody else"))
        said = await refused(asked, place)
        new = papers.of(server.iserver.certificate).thumbprint
        for words in ("another certificate than before", old, new, f"southgate opcua trust {new}", "in between"):
            assert words in said
        TrustList(place).trust(new)
        async with session(asked, place):
            pass


def _shows(server: Server, recipe: Recipe) -> None:
    """From now on, in the list of endpoints and on new channels."""
    certificate = recipe.made()
    server.iserver.certificate, server.iserver.private_key = certificate, recipe.key
    for described in server.iserver.endpoints:
        described.ServerCertificate = papers.of(certificate).der
    for factory in server.bserver._policies:
        factory.certificate, factory.private_key = certificate, recipe.key


async def test_a_certificate_that_is_not_fit_is_refused_though_it_is_trusted(place: Place) -> None:
    """T35: expired, wrong application URI, wrong key usage, weak key."""
    unfit = {
        "ended on": replace(GOOD, ends=NOW - timedelta(hours=1)),
        "begins only on": replace(GOOD, begins=NOW + timedelta(hours=1)),
        "the server calls itself urn:test:server": replace(GOOD, uri="urn:another"),
        "lacks digitalSignature": replace(GOOD, usages=("data_encipherment",)),
        "1024 bits": replace(GOOD, key=key("weak", 1024)),
    }
    async with secured(GOOD) as server:
        for words, recipe in unfit.items():
            _shows(server, recipe)
            said = await refused(endpoint(server), place)
            assert words in said.partition("Even when it is trusted it cannot be used: it ")[2]
            trust_server(place, server)
            said = await refused(endpoint(server), place)
            assert words in said.partition("which is trusted but not fit: it ")[2]


async def test_another_host_name_is_told_to_whoever_is_to_trust_and_hinders_nobody(place: Place) -> None:
    async with secured(replace(GOOD, hosts=("plc-4",))) as server:
        assert "Note that it is made for plc-4, not for 127.0.0.1" in await refused(endpoint(server), place)
        trust_server(place, server)
        async with session(endpoint(server), place):
            pass


async def test_none_is_refused_with_the_line_that_would_allow_it(place: Place) -> None:
    """T35."""
    async with secured(None, NONE) as server:
        assert "`AllowNone: true` under protocols.opcua" in await refused(endpoint(server), place)
        assert "`AllowNone: true`" in await refused(endpoint(server, policy="None", mode="None"), place)
        async with session(endpoint(server, allow_none=True), place) as client:
            assert used(client) == ("None", "None")
    assert not place.data.exists(), "without security nobody needs a certificate"


async def test_a_password_crosses_no_channel_in_the_open(place: Place) -> None:
    """T37: where the channel does not encrypt, the password is; where it cannot be, it stays here."""
    users = Users({"operator": SECRET})
    known = {"user": "operator", "password_file": "secret"}
    async with secured(GOOD, [ua.SecurityPolicyType.Basic256Sha256_Sign, *BEST, *NONE], users) as server:
        trust_server(place, server)
        signed = endpoint(server, mode="Sign", **known)
        tokens = [token for one in server.iserver.endpoints for token in one.UserIdentityTokens]
        sent = _listen(server)
        async with session(signed, place):
            pass
        async with session(endpoint(server, policy="None", mode="None", allow_none=True, **known), place):
            pass
        assert [SECRET.encode() in password for password in sent] == [False, False], "encrypted"
        for token in tokens:
            token.SecurityPolicyUri = "http://opcfoundation.org/UA/SecurityPolicy#None"
        said = await refused(signed, place)
        assert "`SecurityMode: SignAndEncrypt`" in said
        assert "AllowNone" in said
        assert len(sent) == 2, "nothing went out"
        for asked in (replace(signed, allow_none=True), replace(signed, mode=AUTO)):
            async with session(asked, place):
                pass
        assert sent[2:] == [SECRET.encode()] * 2, "allowed; or inside a channel that encrypts"


def _listen(server: Server) -> list[bytes]:
    """Passwords as they come out of the channel."""
    sent: list[bytes] = []
    decrypt = server.iserver.decrypt_user_token

    def heard(isession: object, token: ua.UserNameIdentityToken) -> tuple[str, str]:
        sent.append(bytes(token.Password))
        return decrypt(isession, token)

    server.iserver.decrypt_user_token = heard
    return sent


async def test_a_wrong_password_says_which_user_and_what_to_look_at(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    """T35, T37: and leaves no session behind, however often it is tried."""
    caplog.set_level(logging.DEBUG)
    users = Users({"operator": "another"}, anonymous=False)
    async with secured(GOOD, users=users) as server:
        trust_server(place, server)
        for _ in range(3):
            said = await refused(endpoint(server, user="operator", password_file="secret"), place)
        for words in ("the user operator", "BadUserAccessDenied", "PasswordFile", "secret", "127.0.0.1"):
            assert words in said
        assert "lets nobody in without a name" in await refused(endpoint(server), place)
        missing = await refused(endpoint(server, user="operator", password_file="missing"), place)
        assert "missing cannot be read: No such file" in missing
    assert SECRET not in caplog.text


async def test_a_user_with_a_wrong_certificate_is_told_so(place: Place) -> None:
    """T35."""
    stranger, private = put(place.folder / "stranger", Recipe(key=key("stranger")))
    known = {"certificate": str(stranger), "private_key": str(private)}
    async with secured(GOOD, [*BEST, *NONE], Users(anonymous=False)) as server:
        trust_server(place, server)
        said = await refused(endpoint(server, **known), place)
        assert f"the user with the certificate {stranger}" in said
        assert "BadUserAccessDenied" in said
        private.write_bytes(b"hello")
        assert "no private key" in await refused(endpoint(server, **known), place)
        put(private.parent, Recipe(key=key("user")))
        stranger.write_bytes(Recipe(key=key("stranger")).der())
        assert "is not the key of the user's Certificate" in await refused(endpoint(server, **known), place)
        put(private.parent, Recipe(key=key("stranger")))


async def test_a_kind_of_user_that_the_server_does_not_take(place: Place) -> None:
    def names_only(server: Server) -> None:
        server.set_identity_tokens([ua.UserNameIdentityToken])

    async with secured(GOOD, prepare=names_only) as server:
        trust_server(place, server)
        said = await refused(endpoint(server), place)
        assert "does not let nobody (anonymous) in; it takes a user name (UserName, PasswordFile)" in said


async def test_a_server_that_does_not_take_our_certificate(place: Place) -> None:
    """T35: what to do there."""
    stranger = ["does not trust our certificate", "copy", "trusted clients", "thumbprint"]
    answers = {
        ua.StatusCodes.BadCertificateUntrusted: stranger,
        ua.StatusCodes.BadSecurityChecksFailed: stranger,
        ua.StatusCodes.BadCertificateTimeInvalid: ["refuses our certificate", "is valid from"],
        ua.StatusCodes.BadCertificateUriInvalid: ["refuses our certificate", "urn:southgate:"],
    }
    answer = ua.StatusCodes.Good

    async def refuse(*_: object) -> None:
        raise ServiceError(answer)

    async with secured(GOOD, prepare=lambda server: server.set_certificate_validator(refuse)) as server:
        trust_server(place, server)
        for answer, words in answers.items():  # noqa: B007
            said = await refused(endpoint(server), place)
            ours = next(one for one in TrustList(place).certificates() if one.standing == "own")
            assert [word for word in (*words, ours.file) if word not in said] == []


async def test_a_server_that_hangs_up_where_it_is_shown_our_certificate(place: Place) -> None:
    """Many say nothing to strangers."""
    async with secured(GOOD) as server:
        trust_server(place, server)
        server.bserver._policies.clear()
        said = await refused(endpoint(server), place)
        assert "mostly it does not trust our certificate: copy" in said


async def test_somebody_in_between_who_leaves_the_better_endpoints_out_is_noticed(place: Place) -> None:
    """Part 4, 5.6.2.2: the list that came unprotected is held against the one inside the session."""
    offered = [ua.SecurityPolicyType.Basic256Sha256_Sign, *BEST]
    async with secured(GOOD, offered) as server:
        trust_server(place, server)
        async with session(endpoint(server), place) as client:
            assert used(client) == ("Aes256Sha256RsaPss", "SignAndEncrypt")
        client = Client(server.endpoint.geturl(), 5.0)
        whole = client.connect_and_get_server_endpoints

        async def less() -> list[ua.EndpointDescription]:
            return [one for one in await whole() if one.SecurityMode == ua.MessageSecurityMode.Sign]

        client.connect_and_get_server_endpoints = less  # type: ignore[method-assign]
        try:
            with pytest.raises(NotConnected, match="somebody changed the list"):
                await open_session(client, endpoint(server), place, SystemClock())
        finally:
            client.disconnect_socket()
            await asyncio.sleep(0)


async def test_a_certificate_without_its_key_opens_nothing(place: Place) -> None:
    """Somebody shows the certificate that we trust, without having its key."""
    async with secured(GOOD) as server:
        trust_server(place, server)
        for factory in server.bserver._policies:
            factory.private_key = key("second")
        assert "opens no secure channel" in await refused(endpoint(server, timeout=1.0), place)


async def test_what_is_not_about_security_is_raised_as_it_is(place: Place) -> None:
    held: list[asyncio.StreamWriter] = []
    with pytest.raises(OSError):  # noqa: PT011  whatever the system says
        await open_session(Client("opc.tcp://127.0.0.1:1"), endpoint("opc.tcp://127.0.0.1:1"), place, SystemClock())
    silent = await asyncio.start_server(lambda _, writer: held.append(writer), "127.0.0.1", port := free_port())
    async with silent:
        asked = endpoint(f"opc.tcp://127.0.0.1:{port}", timeout=0.1)
        with pytest.raises((TimeoutError, OSError)):
            await open_session(Client(asked.url, asked.timeout), asked, place, SystemClock())
        for writer in held:
            writer.close()


async def test_our_certificate_is_the_same_after_a_restart(place: Place) -> None:
    """On a volume of a container it stays (ask 25)."""
    seen: list[bytes] = []

    async def look(certificate: object, _: object) -> None:
        seen.append(papers.of(certificate).der)  # type: ignore[arg-type]

    async with secured(GOOD, prepare=lambda server: server.set_certificate_validator(look)) as server:
        trust_server(place, server)
        for _ in range(2):
            async with session(endpoint(server), Place("another name", place.data, place.folder)):
                pass
    assert len(set(seen)) == 1
    assert len(seen) == 2


async def test_what_a_server_shows_can_be_looked_at_before_anybody_trusts_it() -> None:
    async with secured(
        replace(GOOD, uri="urn:other", hosts=()), [ua.SecurityPolicyType.Basic256_Sign, *NONE]
    ) as server:
        url = server.endpoint.geturl()
        found = await look_at(url, 5.0, NOW)
        assert found is not None
        assert found.papers == papers.of(server.iserver.certificate)
        assert "calls itself urn:test:server" in found.faults[0]
        assert found.remarks == ("is made for no host at all, not for 127.0.0.1",)
        for described in server.iserver.endpoints:
            described.ServerCertificate = None
        assert await look_at(url, 5.0, NOW) is None
        for described in server.iserver.endpoints:
            described.ServerCertificate = b"hello"
        with pytest.raises(NotConnected, match="no certificate"):
            await look_at(url, 5.0, NOW)
    with pytest.raises(NotConnected):
        await look_at(url, 5.0, NOW)
