"""Who we are: this gateway's own application certificate and its key (Part 6, 6.2.2), in `<data>/pki/own`.

Made on first need and kept, so that servers go on trusting it; made anew only when somebody deletes the folder. People
may put their own there: `certificate.der` or `.pem` (a chain may follow), `key.pem` or `.der`, without a passphrase.
"""

import ipaddress
import os
import shutil
import socket
import tempfile
import threading
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import quote

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from gateway.model.errors import NotConnected
from gateway.model.place import Place
from mappers.opcua.security import papers
from mappers.opcua.security.papers import Papers

FOLDER = Path("pki", "own")
CERTIFICATES = ("certificate.der", "certificate.pem")
"""The first that is there counts; new ones get the first name."""
KEYS = ("key.pem", "key.der")
KEY_BITS = 2048
"""The one size that every policy takes: Basic256 takes no more, Basic256Sha256 and later no less."""
DAYS = 3650
"""Ten years: every server it is shown to has to be told of a new one by hand."""
EARLIER = timedelta(days=1)
"""It begins a day ago, for servers whose clock is slow."""
NO_EARLIER = datetime(2025, 1, 1, tzinfo=UTC)
"""A clock before this was never set; what it dates is soon worth nothing."""
_making = threading.Lock()


@dataclass(frozen=True, slots=True)
class Own:
    """What we show, and what proves that it is ours."""

    certificate: x509.Certificate
    chain: tuple[x509.Certificate, ...]
    """Whoever signed it, next first."""
    key: rsa.RSAPrivateKey
    papers: Papers
    file: Path


def application_uri(place: Place) -> str:
    """Of a gateway that has no certificate yet; `urn:southgate:HOST:NAME`. One that has a certificate is called as that
    says."""
    return f"urn:southgate:{quote(socket.gethostname())}:{quote(place.name)}"


def own(place: Place, now: datetime) -> Own:
    """Reads it; makes it first when there is none. Blocks while a key is made (a second on a small machine). Raises
    NotConnected, saying what is wrong with the files."""
    folder = place.data / FOLDER
    with _making:
        try:
            if not _there(folder):
                _make(folder, place, now)
            return _load(folder)
        except OSError as error:
            raise NotConnected(
                f"our own certificate in {folder} cannot be read or written: {error.strerror}: {error.filename}"
            ) from None


def own_papers(place: Place) -> tuple[Papers, Path] | None:
    """What is there, without the key; None: none was made yet. Raises ValueError, OSError."""
    file = _first(place.data / FOLDER, CERTIFICATES)
    return (papers.read(file.read_bytes()), file) if file else None


def _there(folder: Path) -> bool:
    return any((folder / name).exists() for name in (*CERTIFICATES, *KEYS))


def _first(folder: Path, names: tuple[str, ...]) -> Path | None:
    return next((folder / name for name in names if (folder / name).exists()), None)


def _load(folder: Path) -> Own:
    anew = f"put the right files there, or delete {folder} and both are made anew (servers must trust the new one then)"
    file, key_file = _first(folder, CERTIFICATES), _first(folder, KEYS)
    if file is None or key_file is None:
        missing = CERTIFICATES[0] if file is None else KEYS[0]
        raise NotConnected(f"our own {missing} is missing in {folder}: {anew}")
    try:
        chain = papers.certificates(file.read_bytes())
        found = papers.of(chain[0])
    except ValueError as error:
        raise NotConnected(f"our own certificate {file}: {error}; {anew}") from None
    key = load_key(key_file, anew)
    if key.public_key() != chain[0].public_key():
        raise NotConnected(f"our own key {key_file} is not the key of the certificate {file}: {anew}")
    if not found.application_uri:
        raise NotConnected(f"our own certificate {file} names no application URI, so no server will take it: {anew}")
    return Own(chain[0], tuple(chain[1:]), key, found, file)


def load_key(file: Path, advice: str) -> rsa.RSAPrivateKey:
    """An RSA key, PEM or DER. Raises NotConnected, OSError; never with anything of its content."""
    data = file.read_bytes()
    pem = data.lstrip().startswith(b"-----BEGIN")
    load = serialization.load_pem_private_key if pem else serialization.load_der_private_key
    try:
        key = load(data, None)
    except TypeError:
        raise NotConnected(f"the key {file} has a passphrase; keep it without one, readable by us only") from None
    except (ValueError, UnsupportedAlgorithm):
        raise NotConnected(f"{file} holds no private key that can be read (PEM or DER): {advice}") from None
    if not isinstance(key, rsa.RSAPrivateKey):
        raise NotConnected(f"the key {file} is not an RSA key, the only kind that is spoken here: {advice}")
    return key


def _make(folder: Path, place: Place, now: datetime) -> None:
    """Both files or none, also when the power goes: they are made in a folder beside, which is then renamed."""
    if now < NO_EARLIER:
        raise NotConnected(
            f"our own certificate is not made while this gateway's clock says {now:%Y-%m-%d}: set the clock first"
        )
    key = rsa.generate_private_key(public_exponent=65537, key_size=KEY_BITS)
    certificate = _signed(key, place, now)
    folder.parent.mkdir(parents=True, exist_ok=True)
    beside = Path(tempfile.mkdtemp(prefix=".own-", dir=folder.parent))
    try:
        _write(beside / KEYS[0], _pem(key), 0o600)
        _write(beside / CERTIFICATES[0], certificate.public_bytes(serialization.Encoding.DER), 0o644)
        beside.chmod(0o755)
        with suppress(OSError):  # somebody else was first: theirs counts
            beside.rename(folder)
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def _pem(key: rsa.RSAPrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _write(file: Path, data: bytes, mode: int) -> None:
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as stream:
        stream.write(data)
        stream.flush()
        os.fsync(stream.fileno())


def _signed(key: rsa.RSAPrivateKey, place: Place, now: datetime) -> x509.Certificate:
    host = socket.gethostname()
    common = f"{place.name}@{host}"[:64]  # X.520 allows no more
    name = x509.Name(
        [x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Southgate"), x509.NameAttribute(NameOID.COMMON_NAME, common)]
    )
    names: list[x509.GeneralName] = [x509.UniformResourceIdentifier(application_uri(place))]
    with suppress(ValueError):  # a host name that is not ASCII
        names.append(x509.DNSName(host))
    names += [x509.IPAddress(ipaddress.ip_address(address)) for address in _addresses()]
    builder = x509.CertificateBuilder(
        issuer_name=name,
        subject_name=name,
        public_key=key.public_key(),
        serial_number=x509.random_serial_number(),
        not_valid_before=now - EARLIER,
        not_valid_after=now + timedelta(days=DAYS),
    )
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    issuer = x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier)
    purposes = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH])
    return (
        builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(), critical=True)
        .add_extension(purposes, critical=False)
        .add_extension(identifier, critical=False)
        .add_extension(issuer, critical=False)
        .sign(key, hashes.SHA256())
    )


def _usage() -> x509.KeyUsage:
    """As Part 6, 6.2.2 asks of every application; keyCertSign because it signed itself."""
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=True,
        key_encipherment=True,
        data_encipherment=True,
        key_cert_sign=True,
        key_agreement=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )


def _addresses() -> list[str]:
    """Of this machine where it meets the network; nothing is sent."""
    found = []
    for family, anywhere in ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1")):  # of documentation
        with suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((anywhere, 9))
            found.append(probe.getsockname()[0])
    return found
