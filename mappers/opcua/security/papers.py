"""What a certificate says of itself: X.509 as OPC UA uses it (Part 6, 6.2.2), read once into plain values."""

import hashlib
import ipaddress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID

from gateway.model.certificate import Certificate, Standing

MAX_BYTES = 65_536
"""Of a certificate with its chain; the largest keys need a tenth of it."""
MAX_CHAIN = 10
MAX_HOSTS = 20
"""So many are shown."""
_UNREADABLE = (
    ValueError,
    TypeError,
    UnsupportedAlgorithm,
    x509.DuplicateExtension,
    x509.InvalidVersion,
    x509.UnsupportedGeneralNameType,
)
_PEM = b"-----BEGIN"
_E = TypeVar("_E", bound=x509.ExtensionType)


@dataclass(frozen=True, slots=True)
class Papers:
    """One certificate."""

    der: bytes
    subject: str
    """`CN=Press 4, O=ACME`."""
    application_uri: str
    """Empty: it names none."""
    hosts: tuple[str, ...]
    """DNS names and IP addresses."""
    not_before: datetime
    not_after: datetime
    key_bits: int
    """Of its RSA key; 0: the key is of another kind."""
    hash: str
    """With which it was signed: `sha256`; empty: unknown."""
    usages: frozenset[str] | None
    """Of `USAGES`; None: it does not say, so any."""
    for_server: bool
    """It does not exclude being shown by a server."""

    @property
    def thumbprint(self) -> str:
        return thumbprint(self.der)

    def known_as(self, service: str, standing: Standing, shown_by: str = "", file: str = "") -> Certificate:
        """As people see it."""
        return Certificate(
            service=service,
            standing=standing,
            thumbprint=self.thumbprint,
            subject=self.subject,
            application_uri=self.application_uri,
            hosts=self.hosts[:MAX_HOSTS],
            not_before=_ns(self.not_before),
            not_after=_ns(self.not_after),
            shown_by=shown_by,
            file=file,
        )


USAGES = ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment")
"""Bits of the key usage that OPC UA is about."""


def thumbprint(der: bytes) -> str:
    """SHA-1 of the DER form, upper-case hex (Part 4, 7.3.1)."""
    return hashlib.sha1(der, usedforsecurity=False).hexdigest().upper()


def is_thumbprint(text: str) -> bool:
    return len(text) == 40 and all(character in "0123456789ABCDEF" for character in text)


def read(data: bytes) -> Papers:
    """The first certificate of DER or PEM bytes, which a chain may follow. Raises ValueError."""
    return of(certificates(data)[0])


def certificates(data: bytes) -> list[x509.Certificate]:
    """All certificates of DER (one after the other; Part 6, 6.2.6) or PEM bytes, at least one. Raises ValueError."""
    if len(data) > MAX_BYTES:
        raise ValueError(f"{len(data)} bytes are too many for a certificate")
    try:
        if data.lstrip().startswith(_PEM):
            return x509.load_pem_x509_certificates(data)
        return [x509.load_der_x509_certificate(part) for part in _split(data)]
    except _UNREADABLE as error:
        raise ValueError(f"this is no certificate: {error}") from None


def of(certificate: x509.Certificate) -> Papers:
    """Raises ValueError when it contradicts itself."""
    try:
        return _of(certificate)
    except _UNREADABLE as error:
        raise ValueError(f"this certificate cannot be read: {error}") from None


def _of(certificate: x509.Certificate) -> Papers:
    names = _extension(certificate, x509.SubjectAlternativeName)
    uris = names.get_values_for_type(x509.UniformResourceIdentifier) if names else []
    dns = names.get_values_for_type(x509.DNSName) if names else []
    addresses = names.get_values_for_type(x509.IPAddress) if names else []
    extended = _extension(certificate, x509.ExtendedKeyUsage)
    server = (ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE)
    usage = _extension(certificate, x509.KeyUsage)
    key = certificate.public_key()
    return Papers(
        der=certificate.public_bytes(Encoding.DER),
        subject=shown(", ".join(part.rfc4514_string() for part in reversed(certificate.subject.rdns))),
        application_uri=shown(uris[0]) if uris else "",
        hosts=(*map(shown, dns), *map(str, addresses)),
        not_before=certificate.not_valid_before_utc,
        not_after=certificate.not_valid_after_utc,
        key_bits=key.key_size if isinstance(key, rsa.RSAPublicKey) else 0,
        hash=certificate.signature_hash_algorithm.name if certificate.signature_hash_algorithm else "",
        usages=frozenset(bit for bit in USAGES if getattr(usage, bit)) if usage else None,
        for_server=extended is None or any(purpose in extended for purpose in server),
    )


def shown(text: str) -> str:
    """What a stranger wrote, fit for a terminal and a log: one line, no control characters, not endless."""
    return "".join(c if c.isprintable() else "?" for c in text[:200])


def names_host(papers: Papers, host: str) -> bool:
    """Whether it is made for a host, a name or an address."""
    try:
        wanted = str(ipaddress.ip_address(host.strip("[]")))
    except ValueError:
        wanted = host
    return wanted.lower().rstrip(".") in (known.lower().rstrip(".") for known in papers.hosts)


def _extension(certificate: x509.Certificate, kind: type[_E]) -> _E | None:
    try:
        return certificate.extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None


def _split(data: bytes) -> list[bytes]:
    """DER certificates that follow each other. Raises ValueError."""
    parts: list[bytes] = []
    at = 0
    while at < len(data):
        length = _length(data[at : at + 6])
        if data[at] != 0x30 or at + length > len(data) or len(parts) == MAX_CHAIN:
            raise ValueError("it is neither DER nor PEM, or cut short")
        parts.append(data[at : at + length])
        at += length
    if not parts:
        raise ValueError("it is empty")
    return parts


def _length(data: bytes) -> int:
    """Of the DER element at the beginning, with its header (X.690, 8.1.3)."""
    first = data[1] if len(data) > 1 else 0
    if first < 0x80:
        return 2 + first
    size = first & 0x7F
    return 2 + size + int.from_bytes(data[2 : 2 + size], "big")


def _ns(moment: datetime) -> int:
    return int(moment.replace(tzinfo=moment.tzinfo or UTC).timestamp()) * 1_000_000_000
