"""Whether a server's certificate is fit for what it is shown for (Part 4, 6.1.3), in words. Pure.

That it is trusted is not asked here. A host name that it does not have is a remark: the whole certificate is compared
with the one that was trusted, which says more than a name (6.1.3 lets this be suppressed).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit

from mappers.opcua.endpoint import BROKEN
from mappers.opcua.security.papers import Papers, names_host, shown

KEY_BITS = dict.fromkeys(BROKEN, (1024, 2048))
"""Least and most bits of an RSA key by policy (Part 7, the policies' `Limits`)."""
KEY_BITS_ELSE = (2048, 4096)
STRONG = ("sha256", "sha384", "sha512")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a certificate is shown for."""

    policy: str
    application_uri: str
    """Of the server, as its endpoint says."""
    now: datetime
    """This gateway's clock, UTC."""
    clock_trusted: bool = True


def faults(papers: Papers, wanted: Wanted) -> list[str]:
    """Why it cannot be accepted, whoever trusts it; each a sentence's part that follows `it …`."""
    return [*_time(papers, wanted), *_name(papers, wanted), *_use(papers), *_strength(papers, wanted.policy)]


def remarks(papers: Papers, url: str) -> list[str]:
    """What whoever is to trust it should know; as `faults`."""
    host = urlsplit(url).hostname or ""
    if names_host(papers, host):
        return []
    made_for = ", ".join(papers.hosts[:8]) or "no host at all"
    return [f"is made for {made_for}, not for {host}"]


def _time(papers: Papers, wanted: Wanted) -> Iterator[str]:
    if papers.not_before <= wanted.now <= papers.not_after:
        return
    clock = f"this gateway's clock, which says {_day(wanted.now)} UTC"
    doubt = "" if wanted.clock_trusted else " and has not been set since the start"
    if wanted.now > papers.not_after:
        yield f"ended on {_day(papers.not_after)} by {clock}{doubt}: renew it at the server, or set the clock"
    else:
        yield (
            f"begins only on {_day(papers.not_before)} by {clock}{doubt}: set the clock that is wrong, "
            "this gateway's or, when it made the certificate, the server's"
        )


def _day(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M}"


def _name(papers: Papers, wanted: Wanted) -> Iterator[str]:
    named = shown(wanted.application_uri)
    if papers.application_uri == named and named:
        return
    said = f"of the application {papers.application_uri}" if papers.application_uri else "of no application (URI)"
    named = named or "nothing"
    yield f"is {said}, but the server calls itself {named}: have the server make its certificate anew"


def _use(papers: Papers) -> Iterator[str]:
    usages = papers.usages
    if usages is not None:
        missing = [] if "digital_signature" in usages else ["digitalSignature"]
        if not usages & {"key_encipherment", "data_encipherment"}:
            missing.append("keyEncipherment or dataEncipherment")
        if missing:
            yield f"must not be used for this: its key usage lacks {' and '.join(missing)}"
    if not papers.for_server:
        yield "must not be used for this: its extended key usage lacks serverAuth"


def _strength(papers: Papers, policy: str) -> Iterator[str]:
    least, most = KEY_BITS.get(policy, KEY_BITS_ELSE)
    if not papers.key_bits:
        yield f"has a key that is not RSA, which {policy} needs"
    elif not least <= papers.key_bits <= most:
        yield f"has an RSA key of {papers.key_bits} bits, where {policy} needs {least} to {most}"
    if policy not in BROKEN and papers.hash not in STRONG:
        yield f"is signed with {papers.hash.upper() or 'an unknown hash'}, where {policy} needs SHA-256"
