"""Who logs in to real OPC UA servers, over every policy and mode, and what becomes of passwords (T35, T37)."""

import logging
from dataclasses import replace
from pathlib import Path

import pytest
from asyncua import Server, ua
from asyncua.crypto.security_policies import SECURITY_POLICY_TYPE_MAP

from gateway.model.place import Place
from mappers.opcua.endpoint import AUTO
from mappers.opcua.security.choice import NAMES, policy_of
from mappers.opcua.security.trustlist import TrustList
from tests.support.certificates import Recipe, key, put
from tests.support.nodeopcua import PASSWORD, USER, NodeOpcua
from tests.support.opcua import ALL, BEST, NONE, SECRET, Users, endpoint, refused, secured, session, trust_server, used

GOOD = Recipe()


@pytest.fixture
def place(tmp_path: Path) -> Place:
    (tmp_path / "secret").write_text(SECRET + "\n")
    return Place("test", tmp_path / "data", tmp_path)


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
    """T35, T37."""
    caplog.set_level(logging.DEBUG)
    users = Users({"operator": "another"}, anonymous=False)
    async with secured(GOOD, users=users) as server:
        trust_server(place, server)
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
        assert (
            "does not let anybody without a name (anonymous) in; it takes a user name (UserName, PasswordFile)" in said
        )


@pytest.mark.timeout(180)  # npm may have to install it first
@pytest.mark.parametrize("policy", ["Basic256Sha256", "Aes256Sha256RsaPss"])
async def test_a_server_of_another_make_takes_our_certificate_and_our_user(
    policy: str, place: Place, tmp_path: Path
) -> None:
    """T35: node-opcua checks our certificate and decrypts the password with code of its own."""
    (place.folder / "right").write_text(PASSWORD)
    async with NodeOpcua.started(tmp_path) as peer:
        asked = endpoint(peer.url, policy=policy, user=USER, password_file="right")
        assert "southgate opcua trust" in await refused(asked, place)
        TrustList(place).trust(TrustList(place).refused()[0].papers.thumbprint)
        async with session(asked, place) as client:
            assert used(client) == (policy, "SignAndEncrypt")
        said = await refused(replace(asked, password_file="secret"), place)
        assert f"does not let the user {USER} in" in said
        said = await refused(replace(asked, user="", password_file=""), place)
        assert "does not let anybody without a name (anonymous) in; it takes a user name" in said
