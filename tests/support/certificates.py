"""Certificates for tests, good ones and every kind of bad one. Keys are made once per process: they are slow."""

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

NOW = datetime.now(UTC).replace(microsecond=0)
URI = "urn:test:server"


@cache
def key(name: str = "server", bits: int = 2048) -> rsa.RSAPrivateKey:
    """The same for a name, as long as the process lives."""
    return rsa.generate_private_key(public_exponent=65537, key_size=bits)


@cache
def curve() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


@dataclass(frozen=True)
class Recipe:
    """What a certificate says; by default nothing is wrong with it."""

    key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey = field(default_factory=key)
    uri: str | None = URI
    hosts: Sequence[str] = ("127.0.0.1", "localhost")
    begins: datetime = NOW - timedelta(days=1)
    ends: datetime = NOW + timedelta(days=365)
    usages: Sequence[str] | None = (
        "digital_signature",
        "content_commitment",
        "key_encipherment",
        "data_encipherment",
        "key_cert_sign",
    )
    purposes: Sequence[x509.ObjectIdentifier] | None = (ExtendedKeyUsageOID.SERVER_AUTH,)
    hash: hashes.HashAlgorithm = field(default_factory=hashes.SHA256)
    subject: str = "Press 4"

    def made(self) -> x509.Certificate:
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, self.subject)])
        builder = x509.CertificateBuilder(
            name, name, self.key.public_key(), x509.random_serial_number(), self.begins, self.ends
        )
        names: list[x509.GeneralName] = [x509.UniformResourceIdentifier(self.uri)] if self.uri else []
        names += [_host(one) for one in self.hosts]
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        if self.usages is not None:
            builder = builder.add_extension(_usage(self.usages), critical=True)
        if self.purposes is not None:
            builder = builder.add_extension(x509.ExtendedKeyUsage(self.purposes), critical=False)
        return builder.sign(self.key, self.hash)

    def der(self) -> bytes:
        return self.made().public_bytes(Encoding.DER)


def pem(private: rsa.RSAPrivateKey, passphrase: bytes | None = None) -> bytes:
    how = serialization.BestAvailableEncryption(passphrase) if passphrase else NoEncryption()
    return private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, how)


def put(folder: Path, recipe: Recipe) -> tuple[Path, Path]:
    """The files of a certificate and its key."""
    assert isinstance(recipe.key, rsa.RSAPrivateKey)
    folder.mkdir(parents=True, exist_ok=True)
    certificate, private = folder / "certificate.der", folder / "key.pem"
    certificate.write_bytes(recipe.der())
    private.write_bytes(pem(recipe.key))
    return certificate, private


def _host(text: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(text))
    except ValueError:
        return x509.DNSName(text)


def _usage(named: Sequence[str]) -> x509.KeyUsage:
    every = ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement")
    every += ("key_cert_sign", "crl_sign", "encipher_only", "decipher_only")
    return x509.KeyUsage(**{one: one in named for one in every})
