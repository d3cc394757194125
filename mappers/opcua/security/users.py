"""Who logs in: nobody, a name with a password, or a certificate (Part 4, 5.6.3, 7.40). Passwords are read from their
file at every login, stand in no message, and cross a channel that does not encrypt only encrypted themselves."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from asyncua import ua
from asyncua.crypto import security_policies as _untyped
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.model.errors import NotConnected
from gateway.model.place import Place
from mappers.opcua.endpoint import POLICIES, Endpoint
from mappers.opcua.security import papers
from mappers.opcua.security.choice import Offer, policy_of
from mappers.opcua.security.own import load_key

security_policies: Any = _untyped
_WORDS = {
    ua.UserTokenType.Anonymous: "anybody without a name (anonymous)",
    ua.UserTokenType.UserName: "a user name (UserName, PasswordFile)",
    ua.UserTokenType.Certificate: "a user's certificate (Certificate, PrivateKey)",
    ua.UserTokenType.IssuedToken: "a token of another service (not spoken here)",
}


@dataclass(frozen=True, slots=True)
class Challenge:
    """What the server wants signed and encrypted: of its answer to CreateSession."""

    certificate: bytes
    """DER, the server's own only; empty: it has none."""
    nonce: bytes


@dataclass(frozen=True, slots=True)
class Login:
    """What goes into ActivateSession."""

    token: object
    signature: ua.SignatureData


def login(endpoint: Endpoint, place: Place, offer: Offer, challenge: Challenge) -> Login:
    """`offer`: the endpoint in use, as the server says it in the session. Reads files. Raises NotConnected."""
    try:
        if endpoint.certificate:
            return _with_certificate(endpoint, place, offer, challenge)
        if endpoint.user:
            return _with_password(endpoint, place, offer, challenge)
    except OSError as error:
        raise NotConnected(f"{endpoint.url}: {error.filename} cannot be read: {error.strerror}") from None
    return Login(ua.AnonymousIdentityToken(PolicyId=_nobody(endpoint, offer)), ua.SignatureData())


def _nobody(endpoint: Endpoint, offer: Offer) -> str | None:
    """How the server calls it when somebody comes without a name; None where it says nothing of users at all."""
    if not offer.tokens:
        return None
    found = next((token for token in offer.tokens if token.TokenType == ua.UserTokenType.Anonymous), None)
    if found is None:
        raise _not_taken(endpoint, offer, ua.UserTokenType.Anonymous)
    name: str | None = found.PolicyId
    return name


def _with_password(endpoint: Endpoint, place: Place, offer: Offer, challenge: Challenge) -> Login:
    policy = _policy(endpoint, offer, ua.UserTokenType.UserName)
    secret = _password(place.folder / endpoint.password_file) if endpoint.password_file else b""
    token = ua.UserNameIdentityToken(PolicyId=policy.PolicyId, UserName=endpoint.user)
    by = _protected_by(policy, offer)
    if by != "None" and challenge.certificate:
        token.Password, token.EncryptionAlgorithm = _encrypted(endpoint, secret, by, challenge)
    elif offer.mode == "SignAndEncrypt" or endpoint.allow_none or not secret:
        token.Password, token.EncryptionAlgorithm = secret, None
    else:
        raise NotConnected(
            f"{endpoint.url} wants the password of {endpoint.user} unencrypted over a channel that does not encrypt: "
            "write `SecurityMode: SignAndEncrypt` under protocols.opcua of its devices, or, if everybody on the "
            "network may know it, `AllowNone: true`"
        )
    return Login(token, ua.SignatureData())


def _with_certificate(endpoint: Endpoint, place: Place, offer: Offer, challenge: Challenge) -> Login:
    policy = _policy(endpoint, offer, ua.UserTokenType.Certificate)
    by = _protected_by(policy, offer)
    if by == "None":
        raise NotConnected(
            f"{endpoint.url} lets users prove themselves with a certificate only where there is security; leave "
            "SecurityPolicy out, or give UserName and PasswordFile"
        )
    file, key_file = place.folder / endpoint.certificate, place.folder / endpoint.private_key
    certificate, key = _pair(file, key_file)
    signature, algorithm = security_policies.sign_asymmetric(key, challenge.certificate + challenge.nonce, _uri(by))
    token = ua.X509IdentityToken(PolicyId=policy.PolicyId, CertificateData=certificate.public_bytes(Encoding.DER))
    return Login(token, ua.SignatureData(Algorithm=algorithm, Signature=signature))


def _pair(file: Path, key_file: Path) -> tuple[x509.Certificate, rsa.RSAPrivateKey]:
    try:
        certificate = papers.certificates(file.read_bytes())[0]
    except ValueError as error:
        raise NotConnected(f"the user's Certificate {file}: {error}") from None
    key = load_key(key_file, "PrivateKey of the user was expected there")
    if key.public_key() != certificate.public_key():
        raise NotConnected(f"PrivateKey {key_file} is not the key of the user's Certificate {file}")
    return certificate, key


def _password(file: Path) -> bytes:
    """UTF-8, without the line end that editors add. Raises NotConnected without a word of it; OSError."""
    data = file.read_bytes()
    for end in (b"\r\n", b"\n"):
        if data.endswith(end):
            data = data.removesuffix(end)
            break
    try:
        data.decode()
    except UnicodeDecodeError:
        raise NotConnected(f"PasswordFile {file} is not UTF-8 text") from None
    return data


def _encrypted(endpoint: Endpoint, secret: bytes, by: str, challenge: Challenge) -> tuple[bytes, str]:
    """Length, secret and nonce with the server's key (Part 4, 7.40.2.2)."""
    plain = (len(secret) + len(challenge.nonce)).to_bytes(4, "little") + secret + challenge.nonce
    try:
        key = papers.certificates(challenge.certificate)[0].public_key()
        data, algorithm = security_policies.encrypt_asymmetric(key, plain, _uri(by))
    except (ValueError, AttributeError, TypeError):
        what = f"the password of {endpoint.user} cannot be encrypted with the certificate that the server shows"
        raise NotConnected(f"{endpoint.url}: {what}; is it longer than 150 bytes, or the key no RSA key?") from None
    return data, algorithm


def _policy(endpoint: Endpoint, offer: Offer, kind: ua.UserTokenType) -> ua.UserTokenPolicy:
    """The best of a kind: encrypted before plain, newer before older."""
    known = [policy for policy in offer.tokens if policy.TokenType == kind and _protected_by(policy, offer) in POLICIES]
    if known:
        return max(known, key=lambda policy: POLICIES.index(_protected_by(policy, offer)))
    raise _not_taken(endpoint, offer, kind)


def _not_taken(endpoint: Endpoint, offer: Offer, kind: ua.UserTokenType) -> NotConnected:
    return NotConnected(f"{endpoint.url} does not let {_WORDS[kind]} in; it takes {_kinds(offer.tokens)}")


def _kinds(tokens: Sequence[ua.UserTokenPolicy]) -> str:
    return " or ".join(dict.fromkeys(_WORDS.get(token.TokenType, "?") for token in tokens)) or "nobody"


def _protected_by(policy: ua.UserTokenPolicy, offer: Offer) -> str:
    """Its own security policy, else the channel's (Part 4, 7.41)."""
    return policy_of(policy.SecurityPolicyUri) if policy.SecurityPolicyUri else offer.policy


def _uri(policy: str) -> str:
    uri: str = getattr(security_policies, f"SecurityPolicy{policy}").URI
    return uri
