"""Endpoints and servers in words, whatever somebody says of them."""

from asyncua import ua

from mappers.opcua.discovery.servers import Known, _offers, _servers

BASE = "http://opcfoundation.org/UA/SecurityPolicy#"


def endpoint(policy: str, mode: ua.MessageSecurityMode, level: int, *users: ua.UserTokenType) -> ua.EndpointDescription:
    return ua.EndpointDescription(
        EndpointUrl=ua.String("opc.tcp://press:4840"), SecurityPolicyUri=ua.String(BASE + policy), SecurityMode=mode,
        SecurityLevel=ua.Byte(level), UserIdentityTokens=[ua.UserTokenPolicy(TokenType=user) for user in users],
    )  # fmt: skip


def test_endpoints_in_words_best_first() -> None:
    kind = ua.UserTokenType
    none = endpoint("None", ua.MessageSecurityMode.None_, 0, kind.Anonymous, kind.Anonymous)
    best = endpoint("Aes128_Sha256_RsaOaep", ua.MessageSecurityMode.SignAndEncrypt, 9, kind.UserName, kind.Certificate)
    odd = endpoint("Own\x1b[2J", ua.MessageSecurityMode.Invalid, 1)
    assert [str(offer) for offer in _offers([none, odd, best])] == [
        "opc.tcp://press:4840: Aes128Sha256RsaOaep, SignAndEncrypt; lets in a user with a password, a user with a "
        "certificate",
        "opc.tcp://press:4840: Own [2J, Invalid; lets in nobody",
        "opc.tcp://press:4840: no security; lets in anybody",
    ]


def test_what_is_no_opc_tcp_and_what_is_endless_is_left_out() -> None:
    other = ua.EndpointDescription(EndpointUrl=ua.String("https://press"))
    assert _offers([other]) == ()
    assert len(_offers([endpoint("None", ua.MessageSecurityMode.None_, 0)] * 1000)) == 200


def test_servers() -> None:
    urls = [ua.String("opc.tcp://a:1"), ua.String("http://a"), None]
    one = ua.ApplicationDescription(
        ApplicationUri=ua.String("urn:a"), ApplicationName=ua.LocalizedText("A\n\x07"), DiscoveryUrls=urls
    )
    assert _servers([one]) == (Known("A", "urn:a", ("opc.tcp://a:1",)),)
