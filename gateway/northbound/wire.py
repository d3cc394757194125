"""What the MQTT client needs of sockets, TLS and reason codes, in plain words where people see it."""

import asyncio
import contextlib
import socket
import ssl
from typing import Any

from paho.mqtt.client import Client
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from gateway.model.errors import NotConnected
from gateway.northbound.settings import MqttSettings

JSON = "application/json"
DIAL_S = 5.0
"""For TCP connect and for the TLS handshake, each."""
OVERHEAD = 1024
"""Bytes of a packet besides the payload, at most: topic, properties, header."""
_REFUSALS = {
    0x85: "refuses the client id; set another as client_id",
    0x88: "says that it is not available now",
    0x89: "says that it is busy",
    0x8A: "has banned this client",
    0x9F: "says that we connect too often",
}


class _Packed(Properties):
    """Properties that never change, packed once instead of once per message."""

    packed: bytes

    def __init__(self, properties: Properties) -> None:
        super().__init__(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
        object.__setattr__(self, "packed", properties.pack())  # type: ignore[no-untyped-call]

    def pack(self) -> bytes:
        return self.packed


def content_type(correlation: bytes = b"") -> Properties:
    """Properties of an outgoing message: JSON, and the correlation data of what it answers."""
    properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
    properties.ContentType = JSON
    if correlation:
        properties.CorrelationData = correlation
        return properties
    return _Packed(properties)


def where(settings: MqttSettings) -> str:
    return f"the broker {settings.host}:{settings.port}"


def credentials(paho: Client, settings: MqttSettings) -> None:
    """Gives paho the user and the password of its file. Raises NotConnected."""
    if not settings.user:
        return
    password = None
    if settings.password_file is not None:
        try:
            password = settings.password_file.read_text("utf-8").rstrip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            raise NotConnected(f"the password file {settings.password_file} cannot be read: {error}") from None
    paho.username_pw_set(settings.user, password)


def dial(settings: MqttSettings) -> socket.socket:
    """A connected socket, with TLS where the URL says so; blocks. Raises NotConnected."""
    context = _tls(settings) if settings.tls else None
    try:
        sock = socket.create_connection((settings.host, settings.port), timeout=DIAL_S)
        if context is not None:
            sock = _handshake(context, sock, settings.host)
    except OSError as error:
        raise NotConnected(_explain(error, settings)) from error
    with contextlib.suppress(OSError):
        # Small messages leave at once; a peer that vanished is noticed by unacknowledged bytes, too.
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, settings.keepalive_s * 1000)
    return sock


def discard(dialing: "asyncio.Future[socket.socket]") -> None:
    """Closes the socket that nobody waits for any more."""
    if not dialing.cancelled() and dialing.exception() is None:
        dialing.result().close()


def _tls(settings: MqttSettings) -> ssl.SSLContext:
    file = settings.ca_file
    try:
        context = ssl.create_default_context(cafile=file)
        if settings.cert_file is not None:
            file = settings.cert_file
            context.load_cert_chain(file, settings.key_file, password=_no_pass_phrase)
    except (OSError, ValueError) as error:
        raise NotConnected(f"the certificate file {file} cannot be used: {error}") from None
    return context


def _no_pass_phrase() -> str:
    raise ValueError("the private key has a pass phrase; give a key without one")


def _handshake(context: ssl.SSLContext, sock: socket.socket, host: str) -> ssl.SSLSocket:
    secured = context.wrap_socket(sock, server_hostname=host, do_handshake_on_connect=False)
    try:
        secured.do_handshake()
    except BaseException:
        secured.close()
        raise
    return secured


def _explain(error: OSError, settings: MqttSettings) -> str:
    """Why DNS, TCP or TLS failed."""
    here = where(settings)
    match error:
        case ssl.SSLCertVerificationError():
            return f"{here} cannot be trusted: {error.verify_message}; ca_file must name the authority that signed it"
        case ssl.SSLError():
            return f"{here}: TLS failed: {error.reason or error}; does it speak TLS on this port?"
        case socket.gaierror():
            return f"the name {settings.host} cannot be resolved: {error.strerror}"
        case ConnectionRefusedError():
            return f"nothing listens at {settings.host}:{settings.port}"
        case TimeoutError():
            return f"{here} does not answer within {DIAL_S:.0f} s"
    return f"{here} cannot be reached: {error.strerror or error}"


def refusal(code: ReasonCode, settings: MqttSettings) -> str:
    """Why the broker did not accept us."""
    here = where(settings)
    if code.value in (0x86, 0x87):
        who = f"the user {settings.user}" if settings.user else "a client without user name"
        return f"{here} refuses {who}: wrong user name, password or certificate ({code})"
    return f"{here} {_REFUSALS.get(code.value, f'refuses us: {code}')}"


def closed(noted: str, settings: MqttSettings) -> str:
    """Why the broker hung up without a word; `noted` is what the library saw."""
    hint = "; does it want a client certificate? set cert_file and key_file" if settings.tls else ""
    if settings.cert_file is not None:
        hint = f"; does it know the authority of {settings.cert_file}?"
    return f"{where(settings)} closed the connection before it answered ({noted or 'no reason given'}){hint}"


def lost(code: ReasonCode | None, settings: MqttSettings) -> str:
    """Why a connection that was up is gone; `code` is the broker's own word."""
    if code is None:
        return f"the connection to {where(settings)} was lost"
    if code.value == 0x8E:
        return f"{where(settings)} gave our place to another client with the same client id; is a name used twice?"
    return f"{where(settings)} ended the connection: {code}"


def decrypted(sock: Any) -> bool:
    """Whether TLS holds bytes that the selector no longer announces."""
    return isinstance(sock, ssl.SSLSocket) and sock.pending() > 0


def cut(sock: Any) -> None:
    """Ends a connection below TLS, so that no byte after it can be taken for a message."""
    with contextlib.suppress(OSError):
        socket.socket.shutdown(sock, socket.SHUT_RDWR)
