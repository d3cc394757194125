"""Opening a session with a server that proves who it is (Part 4, 6.1): the server's endpoints are asked for, the best
is chosen, its certificate checked, the channel opened with that certificate and no other, and what the unprotected list
of endpoints said is compared with what the server says inside the channel, before anybody logs in."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from asyncua import ua
from asyncua.client.client import Client
from asyncua.common.utils import create_nonce
from asyncua.crypto import security_policies as _untyped
from asyncua.ua.uaerrors import UaStatusCodeError
from cryptography.exceptions import InvalidSignature

from gateway.model.contracts import Clock
from gateway.model.errors import NotConnected
from gateway.model.place import Place
from mappers.opcua.endpoint import Endpoint
from mappers.opcua.security import papers
from mappers.opcua.security.checks import Wanted, faults
from mappers.opcua.security.choice import NAMES, Offer, best, choose, offers
from mappers.opcua.security.own import Own, application_uri, own
from mappers.opcua.security.trustlist import Kept, TrustList
from mappers.opcua.security.users import Challenge, login
from mappers.opcua.security.words import certificate_refused, no_channel, not_fit, not_trusted, user_refused

security_policies: Any = _untyped
_MODES = {name: mode for mode, name in NAMES.items()}
PRODUCT = "urn:southgate"


@dataclass(frozen=True, slots=True)
class Agreed:
    """How a server is spoken to."""

    offer: Offer
    own: Own | None = None
    """None: without security."""
    server: Kept | None = None


@dataclass(frozen=True, slots=True)
class Opening:
    """One attempt. Whatever is not about security is raised as the library raises it."""

    client: Client
    endpoint: Endpoint
    place: Place
    clock: Clock

    async def run(self) -> ua.CreateSessionResult:
        agreed = await self._agree()
        await self._channel(agreed)
        created = await self._session(agreed)
        await self._user(agreed, created)
        if agreed.server:
            with suppress(OSError):  # only the next refusal would have said more
                TrustList(self.place).showed(agreed.server, self.endpoint.url)
        return created

    @property
    def _now(self) -> datetime:
        return datetime.fromtimestamp(self.clock.now() / 1e9, UTC)

    async def _agree(self) -> Agreed:
        """What is used; the client is told."""
        client, endpoint = self.client, self.endpoint
        client.application_uri, client.product_uri = application_uri(self.place), PRODUCT
        client.name = client.description = f"Southgate {self.place.name}"
        none = Offer("None", "None", "", b"", ())
        if endpoint.policy != "None":
            with _files(endpoint):
                earlier = TrustList(self.place).earlier(endpoint.url)
            offered = offers(await client.connect_and_get_server_endpoints())
            offer = choose(endpoint, offered, earlier.papers.thumbprint if earlier else "")
            if offer.policy != "None":
                return await self._secured(offer)
        elif not endpoint.allow_none:
            raise NotConnected(
                f"{endpoint.url}: SecurityPolicy None is not used unless `AllowNone: true` stands beside it"
            )
        self._use(security_policies.SecurityPolicyNone())
        return Agreed(none)

    async def _secured(self, offer: Offer) -> Agreed:
        with _files(self.endpoint):
            server = self._believed(offer)
        ours = await asyncio.to_thread(own, self.place, self._now)
        kind = getattr(security_policies, f"SecurityPolicy{offer.policy}")
        mode = _MODES[offer.mode]
        self._use(kind(server.papers.der, ours.certificate, ours.key, mode, host_cert_chain=list(ours.chain)))
        self.client.application_uri = ours.papers.application_uri
        return Agreed(offer, ours, server)

    def _use(self, policy: Any) -> None:
        self.client.security_policy = policy
        self.client.uaclient.set_security(policy)

    def _believed(self, offer: Offer) -> Kept:
        """The trusted certificate that this offer shows. Raises NotConnected: not trusted, or not fit."""
        url, trusts = self.endpoint.url, TrustList(self.place)
        try:
            shown = papers.read(offer.certificate)
        except ValueError as error:
            raise NotConnected(f"{url} shows what is no certificate: {error}") from None
        wanted = Wanted(offer.policy, offer.application_uri, self._now, self.clock.trusted())
        wrong = faults(shown, wanted)
        kept = trusts.find(shown.der)
        if kept is not None and not wrong:
            return kept
        if kept is not None:
            raise NotConnected(not_fit(url, shown, wrong))
        earlier, unreadable = trusts.earlier(url), trusts.unreadable()
        trusts.refuse(shown, url)
        raise NotConnected(not_trusted(url, shown, earlier.papers if earlier else None, wrong, unreadable))

    async def _channel(self, agreed: Agreed) -> None:
        try:
            await self.client.connect_sessionless()
        except UaStatusCodeError as error:
            raise self._plain(agreed, _name(error)) or error from None
        except (ConnectionError, TimeoutError, AssertionError) as error:
            if agreed.own is None or isinstance(error, ConnectionRefusedError):
                raise
            raise NotConnected(self._unopened(agreed.own, error)) from None

    def _unopened(self, ours: Own, error: Exception) -> str:
        """It answered a moment ago, so this is mostly what it thinks of our certificate. The library stumbles over an
        answer that is a fault, and loses its code."""
        said = {AssertionError: "it refused", TimeoutError: f"no answer within {self.endpoint.timeout:g} s"}
        what = said.get(type(error), "it hung up")
        return no_channel(self.endpoint, what, ours.papers, ours.file, self._now)

    async def _session(self, agreed: Agreed) -> ua.CreateSessionResult:
        """CreateSession, and what the server proves with it (Part 4, 5.6.2.2)."""
        client, nonce = self.client, create_nonce(32)
        policy: Any = client.security_policy
        try:
            created = await client.uaclient.create_session(self._asked(nonce))
        except UaStatusCodeError as error:
            raise self._plain(agreed, _name(error)) or error from None
        client.session_timeout = created.RevisedSessionTimeout
        if agreed.own is None:
            return created
        try:
            signature = created.ServerSignature.Signature or b""
            policy.asymmetric_cryptography.verify((policy.host_certificate or b"") + nonce, signature)
        except (InvalidSignature, ValueError):
            raise NotConnected(
                f"{self.endpoint.url} has no key for the certificate that it shows; somebody may be in between"
            ) from None
        self._compare(agreed, created)
        return created

    def _asked(self, nonce: bytes) -> ua.CreateSessionParameters:
        client = self.client
        asked = ua.CreateSessionParameters()
        asked.ClientDescription = ua.ApplicationDescription(
            ApplicationUri=client.application_uri,
            ProductUri=client.product_uri,
            ApplicationName=ua.LocalizedText(client.name),
            ApplicationType=ua.ApplicationType.Client,
        )
        asked.EndpointUrl = client.server_url.geturl()
        asked.SessionName = client.description
        asked.ClientNonce = nonce
        asked.ClientCertificate = client.security_policy.host_certificate or None
        asked.RequestedSessionTimeout = client.session_timeout
        asked.MaxResponseMessageSize = client.max_messagesize
        return asked

    def _compare(self, agreed: Agreed, created: ua.CreateSessionResult) -> None:
        """The list of endpoints came over no protected channel: what it said is held against what the server says now.
        Of what Part 4, 5.6.2.2 has compared, what decided something here."""
        url, used = self.endpoint.url, agreed.offer
        certificate = _leaf(created.ServerCertificate)
        assert agreed.server is not None
        if certificate and certificate != agreed.server.papers.der:
            raise NotConnected(f"{url} shows another certificate in the session than on the channel; it is not used")
        offered = offers(created.ServerEndpoints)
        better = best(self.endpoint, offered)
        if better is None or (better.policy, better.mode) != (used.policy, used.mode):
            raise NotConnected(
                f"{url}: somebody changed the list of endpoints on its way: {used} was the best of it, the server says "
                f"that {better or 'nothing of it'} is"
            )
        uri = better.application_uri
        if uri and uri != used.application_uri:
            raise NotConnected(
                f"{url} calls itself {papers.shown(uri)} now, {papers.shown(used.application_uri)} before"
            )

    async def _user(self, agreed: Agreed, created: ua.CreateSessionResult) -> None:
        """ActivateSession."""
        policy: Any = self.client.security_policy
        inside = self._inside(agreed, created)
        challenge = Challenge(
            _leaf(created.ServerCertificate) or policy.peer_certificate or b"", created.ServerNonce or b""
        )
        who = login(self.endpoint, self.place, inside, challenge)
        asked = ua.ActivateSessionParameters()
        if agreed.own is not None:
            asked.ClientSignature.Algorithm = policy.AsymmetricSignatureURI
            data = challenge.certificate + challenge.nonce
            asked.ClientSignature.Signature = policy.asymmetric_cryptography.signature(data)
        asked.LocaleIds = ["en"]
        asked.UserIdentityToken, asked.UserTokenSignature = who.token, who.signature
        try:
            await self.client.uaclient.activate_session(asked)
        except UaStatusCodeError as error:
            said = user_refused(self.endpoint, _name(error))
            raise NotConnected(said) if said else error from None

    def _inside(self, agreed: Agreed, created: ua.CreateSessionResult) -> Offer:
        """The endpoint in use as the server says it in the session: whom it lets in, and how passwords are sent."""
        used = (agreed.offer.policy, agreed.offer.mode)
        found = next((one for one in offers(created.ServerEndpoints) if (one.policy, one.mode) == used), None)
        if found is None and agreed.own is None:
            return agreed.offer  # with no security it matters only to users, who are refused then
        if found is None:
            raise NotConnected(f"{self.endpoint.url} does not say who may log in with {agreed.offer}")
        return found

    def _plain(self, agreed: Agreed, name: str) -> NotConnected | None:
        """The server's refusal of our certificate; None: it is about something else."""
        if agreed.own is None:
            return None
        said = certificate_refused(self.endpoint, name, agreed.own.papers, agreed.own.file, self._now)
        return NotConnected(said) if said else None


async def open_session(client: Client, endpoint: Endpoint, place: Place, clock: Clock) -> ua.CreateSessionResult:
    """Connects a fresh client as an endpoint wants it; its session is active when it returns. Raises NotConnected for
    whatever certificates, security and users are in the way of; OSError, TimeoutError and the library's errors for
    everything else. The caller closes the client in each case."""
    return await Opening(client, endpoint, place, clock).run()


@contextmanager
def _files(endpoint: Endpoint) -> Iterator[None]:
    """What is wrong with our files is not the connection's fault."""
    try:
        yield
    except OSError as error:
        what = f"{error.filename} cannot be used: {error.strerror}"
        raise NotConnected(f"{endpoint.url} is not connected to, since {what}") from None


def _leaf(data: bytes | None) -> bytes:
    """The first certificate of what was sent; empty: there is none."""
    try:
        return papers.read(data).der if data else b""
    except ValueError:
        return b""


def _name(error: UaStatusCodeError) -> str:
    return str(ua.StatusCode(error.code).name)
