"""Who a simulated server says it is, how sessions may be secured, and who may open one."""

from functools import cache
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from asyncua import ua
from asyncua.common.utils import ServiceError
from asyncua.crypto.cert_gen import (
    dump_private_key_as_pem,
    generate_private_key,
    generate_self_signed_app_certificate,
)
from asyncua.crypto.permission_rules import User, UserRole
from asyncua.server.user_managers import UserManager
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID

from gateway.model.errors import ConfigError
from mappers.opcua.endpoint import POLICIES
from simulators.worldfile import ServerEntry

Identity = tuple[x509.Certificate, RSAPrivateKey]
CERTIFICATE, KEY = "certificate.der", "key.pem"


def policies(entry: ServerEntry) -> list[ua.SecurityPolicyType]:
    """As asyncua names them. Raises ConfigError listing what there is."""
    found = []
    for text in entry.policies:
        name, _, mode = text.partition("/")
        modes = ("Sign", "SignAndEncrypt") if not mode else (mode,)
        if name not in POLICIES or modes[0] not in ("Sign", "SignAndEncrypt") or (name == "None" and mode):
            what = f"a policy is one of {', '.join(POLICIES)}, with /Sign or /SignAndEncrypt for one of two modes"
            raise ConfigError(f"policies: {what}, not {text!r}")
        names = ["NoSecurity"] if name == "None" else [f"{name}_{one}" for one in modes]
        found += [ua.SecurityPolicyType[one] for one in names]
    return found


def tokens(entry: ServerEntry) -> list[type]:
    """The ways to say who one is. Raises ConfigError if there is none."""
    found: list[type] = [ua.AnonymousIdentityToken] if entry.anonymous else []
    found += [ua.UserNameIdentityToken] if entry.users else []
    found += [ua.X509IdentityToken] if entry.certificates else []
    if not found:
        raise ConfigError("nobody may come in: give users or certificates, or leave `anonymous: false` out")
    return found


class Users(UserManager):
    """Fulfils asyncua's UserManager."""

    def __init__(self, entry: ServerEntry) -> None:
        """Raises ConfigError."""
        self._passwords = entry.users
        self._certificates = {_der(Path(name)) for name in entry.certificates}

    def get_user(
        self, iserver: Any, username: str | None = None, password: str | None = None, certificate: Any = None
    ) -> User | None:
        """None: he may not come in. `certificate` is that of the channel unless the user showed one, see `known`."""
        del iserver, certificate
        if username is not None and self._passwords.get(username) != password:
            return None
        return User(role=UserRole.User, name=username)

    def known(self, certificate: bytes) -> bytes:
        """The certificate of a user who may come in. Raises ServiceError."""
        if certificate not in self._certificates:
            raise ServiceError(ua.StatusCodes.BadUserAccessDenied)
        return certificate


def _der(path: Path) -> bytes:
    try:
        data = path.read_bytes()
        load = x509.load_pem_x509_certificate if data.startswith(b"-----") else x509.load_der_x509_certificate
        return load(data).public_bytes(Encoding.DER)
    except (OSError, ValueError) as error:
        raise ConfigError(f"certificates: {path} cannot be read as a certificate: {error}") from None


@cache
def _key() -> RSAPrivateKey:
    """One for all servers of the process: making it takes a good part of a second."""
    return generate_private_key()


def identity(uri: str, host: str, folder: Path | None) -> Identity:
    """The certificate of a server (Part 6, 6.2.2) and its key; kept in `folder` if there is one. Raises ConfigError."""
    if folder is not None and (folder / KEY).exists():
        try:
            kept = x509.load_der_x509_certificate((folder / CERTIFICATE).read_bytes())
            key = load_pem_private_key((folder / KEY).read_bytes(), None)
        except (OSError, ValueError) as error:
            raise ConfigError(f"identity: {folder} has no certificate and key: {error}") from None
        assert isinstance(key, RSAPrivateKey)
        return kept, key
    key = _key()
    certificate = generate_self_signed_app_certificate(
        key, "Southgate simulator", {}, _names(uri, host), [ExtendedKeyUsageOID.SERVER_AUTH]
    )
    if folder is not None:
        _keep(folder, certificate, key)
    return certificate, key


def _names(uri: str, host: str) -> list[x509.GeneralName]:
    try:
        place: x509.GeneralName = x509.IPAddress(ip_address(host))
    except ValueError:
        place = x509.DNSName(host)
    return [x509.UniformResourceIdentifier(uri), place, x509.DNSName("localhost")]


def _keep(folder: Path, certificate: x509.Certificate, key: RSAPrivateKey) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / CERTIFICATE).write_bytes(certificate.public_bytes(Encoding.DER))
        (folder / KEY).touch(mode=0o600)
        (folder / KEY).write_bytes(dump_private_key_as_pem(key))
    except OSError as error:
        raise ConfigError(f"identity: {folder} cannot be written: {error.strerror}") from None
