"""Sessions with real OPC UA servers that are trusted, unknown, changed, unfit, or do not trust us (T35)."""

import asyncio
import copy
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from asyncua import Client, Server, ua
from asyncua.common.utils import ServiceError
from asyncua.server.uaprocessor import UaProcessor

from gateway.model.errors import NotConnected
from gateway.model.place import Place
from gateway.runtime.clock import SystemClock
from mappers.opcua.security import papers
from mappers.opcua.security.looking import look_at
from mappers.opcua.security.opening import open_session
from mappers.opcua.security.trustlist import TrustList
from tests.support.certificates import NOW, Recipe, key
from tests.support.nodeopcua import NodeOpcua
from tests.support.opcua import BEST, NONE, SECRET, endpoint, refused, secured, session, trust_server, used
from tests.support.ports import free_port

GOOD = Recipe()


@pytest.fixture
def place(tmp_path: Path) -> Place:
    (tmp_path / "secret").write_text(SECRET + "\n")
    return Place("test", tmp_path / "data", tmp_path)


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


async def test_what_the_server_says_in_the_session_must_fit_what_was_agreed(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Part 4, 5.6.2.2."""
    other = Recipe(key=key("second")).der()

    def another_name(created: ua.CreateSessionResult) -> None:
        for described in created.ServerEndpoints:
            described.Server = ua.ApplicationDescription(ApplicationUri="urn:somebody")

    changes: dict[str, Callable[[ua.CreateSessionResult], object]] = {
        "another certificate in the session": lambda created: setattr(created, "ServerCertificate", other),
        "has no key for the certificate": lambda created: setattr(created.ServerSignature, "Signature", b"x" * 256),
        "somebody changed the list": lambda created: created.ServerEndpoints.clear(),
        "calls itself urn:somebody now, urn:test:server before": another_name,
    }
    change = changes["somebody changed the list"]
    send = UaProcessor.send_response

    def changed(processor: UaProcessor, handle: int, header: object, response: object, *more: object) -> None:
        if isinstance(response, ua.CreateSessionResponse):
            response.Parameters.ServerEndpoints = copy.deepcopy(response.Parameters.ServerEndpoints)
            change(response.Parameters)
        send(processor, handle, header, response, *more)

    async with secured(GOOD) as server:
        trust_server(place, server)
        async with session(endpoint(server), place):
            pass
        monkeypatch.setattr(UaProcessor, "send_response", changed)
        for words, change in changes.items():  # noqa: B007
            assert words in await refused(endpoint(server), place)


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


@pytest.mark.timeout(180)  # npm may have to install it first
async def test_a_server_of_another_make_that_does_not_know_us(place: Place, tmp_path: Path) -> None:
    """T35: what we say to do there works."""
    async with NodeOpcua.started(tmp_path, anonymous=True, strict=True) as peer:
        asked = endpoint(peer.url)
        await refused(asked, place)
        TrustList(place).trust(TrustList(place).refused()[0].papers.thumbprint)
        said = await refused(asked, place)
        file = place.data / "pki" / "own" / "certificate.der"
        assert "trust our certificate" in said
        assert f"copy {file} (thumbprint" in said
        peer.trust(file)
        await peer.kill()
        await peer.start()
        async with session(asked, place):
            pass
