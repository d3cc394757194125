"""What a refusal says to whoever has to do something about it."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from mappers.opcua.endpoint import AUTO, Endpoint
from mappers.opcua.security import papers
from mappers.opcua.security.words import certificate_refused, no_channel, not_fit, not_trusted, user_refused
from tests.support.certificates import NOW, Recipe, key

URL = "opc.tcp://10.0.0.4:4840"
ASKED = Endpoint(URL, AUTO, AUTO, False, "", "", "", "", 5.0, None, None)
OURS = papers.of(Recipe(uri="urn:us").made())
NEW = papers.of(Recipe(subject="new", hosts=["10.0.0.4"], key=key("weak", 1024)).made())
OLD = papers.of(Recipe(subject="old", key=key("weak", 1024)).made())
FILE = Path("data/pki/own/certificate.der")


def test_an_unknown_certificate() -> None:
    said = not_trusted(URL, NEW, None, [], [])
    assert said.startswith(f"{URL} shows a certificate that is not trusted: {NEW.thumbprint} (CN=new; urn:test:server")
    assert said.endswith(f"accept it: southgate opcua trust {NEW.thumbprint}")
    assert "Note" not in said


def test_a_changed_certificate_names_both_and_the_doubt() -> None:
    said = not_trusted(URL, NEW, OLD, [], [])
    assert f"another certificate than before: {NEW.thumbprint} (CN=new" in said
    assert f"trusted is {OLD.thumbprint} (CN=old" in said
    assert f"southgate opcua trust {NEW.thumbprint}" in said
    assert f"southgate opcua distrust {OLD.thumbprint}" in said, "else whoever has its key is believed for ever"
    assert "somebody may be in between" in said


def test_everything_is_said_at_once() -> None:
    shown = replace(NEW, hosts=(), subject="", application_uri="")
    said = not_trusted(URL, shown, None, ["ended", "is weak"], ["a.der", "b.der"])
    assert "(no subject; of no application;" in said
    assert "Note that it is made for no host at all, not for 10.0.0.4" in said
    assert "Even when it is trusted it cannot be used: it ended; it is weak" in said
    assert "hold no certificate: a.der, b.der" in said


def test_a_trusted_one_that_is_not_fit() -> None:
    assert not_fit(URL, NEW, ["ended", "is weak"]).endswith("which is trusted but not fit: it ended; it is weak")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("BadSecurityChecksFailed", [f"copy {FILE}", OURS.thumbprint, "trusted clients"]),
        ("BadCertificateUntrusted", [f"copy {FILE}", OURS.thumbprint]),
        ("BadCertificateUriInvalid", ["refuses our certificate", "urn:us"]),
        ("BadCertificateTimeInvalid", ["refuses our certificate", f"to {OURS.not_after:%Y-%m-%d}", "clock"]),
        ("BadCertificateUseNotAllowed", ["refuses our certificate", "key usage"]),
    ],
)
def test_a_server_that_does_not_take_our_certificate(name: str, words: list[str]) -> None:
    said = certificate_refused(ASKED, name, OURS, FILE, NOW)
    assert name in said
    assert [word for word in words if word not in said] == []


def test_our_own_that_has_ended_is_named_as_the_reason() -> None:
    late = NOW + timedelta(days=4000)
    assert "which ended on" in certificate_refused(ASKED, "BadSecurityChecksFailed", OURS, FILE, late)
    assert "which ended on" not in certificate_refused(ASKED, "BadSecurityChecksFailed", OURS, FILE, NOW)
    assert "does not say why (it hung up)" in no_channel(ASKED, "it hung up", OURS, FILE, NOW)


def test_what_is_about_something_else_is_left_to_others() -> None:
    assert certificate_refused(ASKED, "BadTooManySessions", OURS, FILE, NOW) == ""
    assert user_refused(ASKED, "BadTooManySessions") == ""
    assert user_refused(replace(ASKED, certificate="u.der"), "BadTooManySessions") == ""
    assert user_refused(replace(ASKED, user="u"), "BadCertificateUntrusted") == ""


@pytest.mark.parametrize("name", ["BadUserAccessDenied", "BadIdentityTokenRejected", "BadIdentityTokenInvalid"])
def test_users(name: str) -> None:
    """T35."""
    said = user_refused(replace(ASKED, user="operator", password_file="secrets/press"), name)
    for words in (URL, "the user operator", name, "PasswordFile (secrets/press)"):
        assert words in said
    assert "there is no PasswordFile" in user_refused(replace(ASKED, user="operator"), name)
    assert "without a name" in user_refused(ASKED, name)
    assert "the certificate u.der" in user_refused(replace(ASKED, certificate="u.der"), name)
    assert "u.der" in user_refused(replace(ASKED, certificate="u.der"), "BadCertificateUntrusted")
