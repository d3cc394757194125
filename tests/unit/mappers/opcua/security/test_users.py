"""Who logs in, and how a password leaves (T37)."""

from dataclasses import replace
from pathlib import Path

import pytest
from asyncua import ua
from asyncua.crypto import uacrypto
from hypothesis import given
from hypothesis import strategies as st

from gateway.model.errors import NotConnected
from gateway.model.place import Place
from mappers.opcua.endpoint import AUTO, Endpoint
from mappers.opcua.security.choice import Offer
from mappers.opcua.security.users import Challenge, login
from tests.support.certificates import Recipe, curve, key, pem, put

URI = "http://opcfoundation.org/UA/SecurityPolicy#"
NONCE = bytes(range(32))
SERVER = Recipe().der()
CHALLENGE = Challenge(SERVER, NONCE)
ASKED = Endpoint("opc.tcp://plc:4840", AUTO, AUTO, False, "operator", "secret", "", "", 5.0, None, None)
SECRET = "c4nary-p4ssw0rd"


def token(kind: ua.UserTokenType, policy: str = "", name: str = "") -> ua.UserTokenPolicy:
    return ua.UserTokenPolicy(PolicyId=name or policy, TokenType=kind, SecurityPolicyUri=policy and URI + policy)


def names(*policies: str) -> tuple[ua.UserTokenPolicy, ...]:
    return tuple(token(ua.UserTokenType.UserName, policy, policy or "channel") for policy in policies)


def offer(
    tokens: tuple[ua.UserTokenPolicy, ...], mode: str = "SignAndEncrypt", policy: str = "Basic256Sha256"
) -> Offer:
    return Offer(policy, mode, "urn:x", SERVER, tokens)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    (tmp_path / "secret").write_text(SECRET)
    return Place(folder=tmp_path)


def decrypted(sent: ua.UserNameIdentityToken) -> bytes:
    assert sent.EncryptionAlgorithm is not None
    kind = {"rsa-oaep": uacrypto.decrypt_rsa_oaep, "rsa-oaep-sha2-256": uacrypto.decrypt_rsa_oaep_sha256}
    plain: bytes = kind[sent.EncryptionAlgorithm.rpartition("/")[2].rpartition("#")[2]](key(), sent.Password)
    assert int.from_bytes(plain[:4], "little") == len(plain) - 4
    assert plain.endswith(NONCE)
    return plain[4:-32]


@pytest.mark.parametrize(
    ("tokens", "mode", "chosen"),
    [
        (names("None", "Basic256Sha256", "Aes256_Sha256_RsaPss"), "Sign", "Aes256_Sha256_RsaPss"),
        (names("None", ""), "Sign", "channel"),
        (names("", "None"), "SignAndEncrypt", "channel"),
        (names("None", "PubSub-Whatever", "Basic128Rsa15", "Basic256"), "SignAndEncrypt", "Basic256"),
    ],
)
def test_a_password_is_encrypted_by_the_best_that_is_offered(
    place: Place, tokens: tuple[ua.UserTokenPolicy, ...], mode: str, chosen: str
) -> None:
    """Part 4, 7.41: a token policy that names no security policy has the channel's."""
    sent = login(ASKED, place, offer(tokens, mode), CHALLENGE).token
    assert isinstance(sent, ua.UserNameIdentityToken)
    assert (sent.PolicyId, sent.UserName) == (chosen, "operator")
    assert decrypted(sent) == SECRET.encode()


@pytest.mark.parametrize(
    ("mode", "policy", "allow", "certificate", "goes"),
    [
        ("SignAndEncrypt", "Basic256Sha256", False, SERVER, True),
        ("Sign", "Basic256Sha256", False, SERVER, False),
        ("Sign", "Basic256Sha256", True, SERVER, True),
        ("None", "None", True, b"", True),
        ("None", "None", False, b"", False),
    ],
)
def test_a_password_goes_in_the_open_only_where_it_cannot_be_seen_or_may_be(
    place: Place, mode: str, policy: str, allow: bool, certificate: bytes, goes: bool
) -> None:
    """T37."""
    asked, challenge = replace(ASKED, allow_none=allow), Challenge(certificate, NONCE)
    if not goes:
        with pytest.raises(NotConnected, match=r"unencrypted over a channel that does not encrypt.*SignAndEncrypt"):
            login(asked, place, offer(names("None"), mode, policy), challenge)
        return
    sent = login(asked, place, offer(names("None"), mode, policy), challenge).token
    assert isinstance(sent, ua.UserNameIdentityToken)
    assert (sent.Password, sent.EncryptionAlgorithm) == (SECRET.encode(), None)


def test_a_server_without_a_certificate_gets_no_password_that_it_wants_encrypted(place: Place) -> None:
    with pytest.raises(NotConnected, match="does not encrypt"):
        login(ASKED, place, offer(names("Basic256Sha256"), "None", "None"), Challenge(b"", NONCE))


@pytest.mark.parametrize(
    ("content", "password"),
    [
        (b"", b""),
        (b"a\n", b"a"),
        (b"a\r\n", b"a"),
        (b"a\n\n", b"a\n"),
        (b" a ", b" a "),
        ("ä\n".encode(), "ä".encode()),
    ],
)
def test_a_password_is_all_of_its_file_but_the_line_end(place: Place, content: bytes, password: bytes) -> None:
    (place.folder / "secret").write_bytes(content)
    sent = login(ASKED, place, offer(names("Basic256Sha256")), CHALLENGE).token
    assert isinstance(sent, ua.UserNameIdentityToken)
    assert decrypted(sent) == password


def test_a_user_without_a_password_has_an_empty_one(place: Place) -> None:
    sent = login(replace(ASKED, password_file=""), place, offer(names("Basic256Sha256")), CHALLENGE).token
    assert isinstance(sent, ua.UserNameIdentityToken)
    assert decrypted(sent) == b""


@pytest.mark.parametrize(
    ("content", "certificate", "words"),
    [
        (SECRET.encode() * 20, SERVER, "cannot be encrypted"),
        (SECRET.encode() + b"\xff", SERVER, "is not UTF-8"),
        (SECRET.encode(), b"hello", "cannot be encrypted"),
        (SECRET.encode(), Recipe(key=curve()).der(), "cannot be encrypted"),
        (None, SERVER, "secret cannot be read: No such file"),
    ],
    ids=["long", "bytes", "garbage", "curve", "missing"],
)
def test_what_is_wrong_is_said_without_the_password(
    place: Place, content: bytes | None, certificate: bytes, words: str
) -> None:
    """T37."""
    (place.folder / "secret").unlink() if content is None else (place.folder / "secret").write_bytes(content)
    with pytest.raises(NotConnected, match=words) as caught:
        login(ASKED, place, offer(names("Basic256Sha256")), Challenge(certificate, NONCE))
    shown: BaseException | None = caught.value
    while shown is not None:
        assert SECRET not in f"{shown!s}{shown!r}{shown.args}", "nor in what it came of"
        shown = shown.__cause__


@given(st.text(max_size=40))
def test_no_password_stands_in_what_is_said(tmp_path_factory: pytest.TempPathFactory, password: str) -> None:
    """T37, with canaries."""
    folder = tmp_path_factory.mktemp("p")
    (folder / "secret").write_bytes(f"canary{password}canary".encode(errors="surrogatepass"))
    with pytest.raises(NotConnected) as caught:
        login(ASKED, Place(folder=folder), offer(names("None"), "Sign"), CHALLENGE)
    assert "canary" not in str(caught.value)


def test_nobody(place: Place) -> None:
    asked = replace(ASKED, user="", password_file="")
    known = token(ua.UserTokenType.Anonymous, "Whatever", "anon")
    for tokens, name in (((known,), "anon"), ((), None)):
        sent = login(asked, place, offer(tokens), CHALLENGE).token
        assert isinstance(sent, ua.AnonymousIdentityToken)
        assert sent.PolicyId == name
    with pytest.raises(NotConnected, match=r"does not let anybody .* it takes a user name .*PasswordFile"):
        login(asked, place, offer(names("")), CHALLENGE)
    with pytest.raises(NotConnected, match=r"does not let a user name .* it takes anybody without a name"):
        login(ASKED, place, offer((known,)), CHALLENGE)


@pytest.mark.parametrize("policy", ["Basic256Sha256", "Aes128Sha256RsaOaep", "Aes256Sha256RsaPss"])
def test_a_user_signs_with_his_own_key(place: Place, policy: str) -> None:
    """Part 4, 5.6.3.1: the server's certificate and its last nonce."""
    recipe = Recipe(key=key("user"))
    certificate, private = put(place.folder / "user", recipe)
    asked = replace(ASKED, user="", password_file="", certificate=str(certificate), private_key="user/key.pem")
    tokens = (token(ua.UserTokenType.Certificate, "", "cert"),)
    found = login(asked, place, offer(tokens, "Sign", policy), CHALLENGE)
    assert isinstance(found.token, ua.X509IdentityToken)
    assert (found.token.PolicyId, found.token.CertificateData) == ("cert", certificate.read_bytes())
    verify = uacrypto.verify_pss_sha256 if policy == "Aes256Sha256RsaPss" else uacrypto.verify_sha256
    verify(recipe.made(), SERVER + NONCE, found.signature.Signature)
    with pytest.raises(NotConnected, match="only where there is security"):
        login(asked, place, offer(tokens, "None", "None"), CHALLENGE)
    private.write_bytes(pem(key("user"), b"passphrase"))
    with pytest.raises(NotConnected, match="has a passphrase"):
        login(asked, place, offer(tokens), CHALLENGE)
    certificate.write_bytes(b"hello")
    with pytest.raises(NotConnected, match="user's Certificate"):
        login(asked, place, offer(tokens), CHALLENGE)
