"""What is wrong with a certificate is found before it is used, and said (T35)."""

from datetime import timedelta

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import ExtendedKeyUsageOID

from mappers.opcua.security import papers
from mappers.opcua.security.checks import Wanted, faults, remarks
from tests.support.certificates import NOW, URI, Recipe, curve, key

BEST = "Aes256Sha256RsaPss"


def wrong(recipe: Recipe, policy: str = BEST, uri: str = URI, clock_trusted: bool = True) -> list[str]:
    return faults(papers.of(recipe.made()), Wanted(policy, uri, NOW, clock_trusted))


@pytest.mark.parametrize("policy", [BEST, "Aes128Sha256RsaOaep", "Basic256Sha256", "Basic256", "Basic128Rsa15"])
def test_a_good_certificate_is_fit_for_every_policy(policy: str) -> None:
    assert wrong(Recipe(), policy) == []


def test_a_uri_that_is_too_long_to_be_shown_is_still_the_same() -> None:
    long = "urn:" + "x" * 300
    assert wrong(Recipe(uri=long), uri=long) == []
    assert wrong(Recipe(uri=""), uri="") != []


def test_key_usages_that_are_not_told_are_not_missing() -> None:
    assert wrong(Recipe(usages=None, purposes=None)) == []
    assert wrong(Recipe(purposes=[ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE])) == []


@pytest.mark.parametrize(
    ("recipe", "words"),
    [
        (Recipe(ends=NOW - timedelta(days=1)), ["ended on", "this gateway's clock", "renew it", "set the clock"]),
        (Recipe(begins=NOW + timedelta(days=1)), ["begins only on", "this gateway's clock", "set the clock"]),
        (Recipe(uri="urn:other"), ["urn:other", f"calls itself {URI}", "anew"]),
        (Recipe(uri=None), ["no application", f"calls itself {URI}"]),
        (Recipe(usages=["key_encipherment"]), ["key usage lacks digitalSignature"]),
        (Recipe(usages=["digital_signature"]), ["lacks keyEncipherment or dataEncipherment"]),
        (Recipe(purposes=[ExtendedKeyUsageOID.CLIENT_AUTH]), ["lacks serverAuth"]),
        (Recipe(key=key("weak", 1024)), ["1024 bits", "2048 to 4096"]),
        (Recipe(key=curve()), ["not RSA"]),
        (Recipe(hash=hashes.SHA224()), ["SHA224", "SHA-256"]),
    ],
    ids=["ended", "begins", "uri", "no-uri", "signature", "encipherment", "purpose", "weak", "curve", "hash"],
)
def test_what_is_wrong_is_said(recipe: Recipe, words: list[str]) -> None:
    """T35."""
    said = wrong(recipe)
    assert len(said) == 1
    assert [word for word in words if word not in said[0]] == []


def test_everything_wrong_is_said_at_once() -> None:
    assert len(wrong(Recipe(uri=None, ends=NOW - timedelta(days=1), usages=[], key=key("weak", 1024)))) == 4


def test_a_clock_that_was_never_set_is_named_as_the_doubt() -> None:
    assert "has not been set since the start" in wrong(Recipe(begins=NOW + timedelta(days=1)), clock_trusted=False)[0]


def test_old_policies_take_small_keys_and_none_that_are_larger_than_they_know() -> None:
    assert wrong(Recipe(key=key("weak", 1024)), "Basic256") == []
    assert "1024 to 2048" in wrong(Recipe(key=key("large", 3072)), "Basic256")[0]


@pytest.mark.parametrize(
    "url", ["opc.tcp://127.0.0.1:4840", "opc.tcp://LOCALHOST:4840/path", "opc.tcp://[fd00::1]:4840"]
)
def test_hosts_are_compared_as_names_and_as_addresses(url: str) -> None:
    shown = papers.of(Recipe(hosts=["127.0.0.1", "localhost", "fd00:0::1"]).made())
    assert remarks(shown, url) == []


def test_another_host_is_a_remark_and_no_fault() -> None:
    shown = papers.of(Recipe(hosts=["plc-4"]).made())
    assert remarks(shown, "opc.tcp://10.0.0.4:4840") == ["is made for plc-4, not for 10.0.0.4"]
    assert "no host at all" in remarks(papers.of(Recipe(hosts=[]).made()), "opc.tcp://10.0.0.4:4840")[0]
