"""What a server's refusal means for whoever has to do something about it."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from mappers.opcua.endpoint import Endpoint
from mappers.opcua.security.checks import remarks
from mappers.opcua.security.papers import Papers

UNTRUSTED = (
    "BadSecurityChecksFailed",
    "BadCertificateUntrusted",
    "BadCertificateChainIncomplete",
    "BadCertificateIssuerRevocationUnknown",
    "BadCertificateRevocationUnknown",
    "BadCertificateInvalid",
)
"""Part 4, 6.1.3: servers say the first to strangers, so as not to tell them more."""
_OURS = {
    "BadCertificateUriInvalid": "it holds the application URI against the one that we say; both are {uri}",
    "BadCertificateTimeInvalid": "it is valid from {begin} to {end}; look at the server's clock",
    "BadCertificateHostNameInvalid": "it wants another host name in it; switch that check off there",
    "BadCertificateUseNotAllowed": "it wants another key usage in it",
    "BadCertificatePolicyCheckFailed": "its key or hash is not of the kind that this SecurityPolicy needs",
    "BadCertificateRevoked": "it was revoked there",
    "BadCertificateIssuerRevoked": "whoever signed it was revoked there",
    "BadCertificateIssuerTimeInvalid": "whoever signed it is not valid any more",
}
_USER = (
    "BadUserAccessDenied",
    "BadIdentityTokenRejected",
    "BadIdentityTokenInvalid",
    "BadUserSignatureInvalid",
)


def not_fit(url: str, shown: Papers, wrong: Sequence[str]) -> str:
    """A trusted certificate that cannot be accepted all the same."""
    return f"{url} shows the certificate {_who(shown)}, which is trusted but not fit: {_list(wrong)}"


def not_trusted(
    url: str, shown: Papers, earlier: Papers | None, wrong: Sequence[str], unreadable: Sequence[str]
) -> str:
    """`earlier`: the trusted one that it has shown until now. `wrong`: what trusting it will not help against.
    `unreadable`: files among the trusted that hold no certificate."""
    command = f"southgate opcua trust {shown.thumbprint}"
    if earlier is None:
        said = [
            f"{url} shows a certificate that is not trusted: {_who(shown)}",
            f"If that is the thumbprint of the server's own certificate (look there), accept it: {command}",
        ]
    else:
        said = [
            f"{url} shows another certificate than before: {_who(shown)}; trusted is {_who(earlier)}",
            f"If the server's certificate was made anew (compare the thumbprint there), accept it: {command}, "
            f"and the old one no more: southgate opcua distrust {earlier.thumbprint}",
            "If nobody did that, somebody may be in between",
        ]
    said += [f"Note that it {remark}" for remark in remarks(shown, url)]
    if wrong:
        said.append(f"Even when it is trusted it cannot be used: {_list(wrong)}")
    if unreadable:
        said.append(f"These files among the trusted hold no certificate: {', '.join(unreadable[:5])}")
    return ". ".join(said)


def _who(shown: Papers) -> str:
    application = shown.application_uri or "of no application"
    return f"{shown.thumbprint} ({shown.subject or 'no subject'}; {application}; until {shown.not_after:%Y-%m-%d})"


def _list(wrong: Sequence[str]) -> str:
    return "; ".join(f"it {one}" for one in wrong)


def certificate_refused(endpoint: Endpoint, name: str, ours: Papers, file: Path, now: datetime) -> str:
    """The server said `name` to our certificate; empty: that is about something else."""
    if name in UNTRUSTED:
        return f"{endpoint.url} does not trust our certificate ({name}): {_copy(ours, file, now)}"
    if name in _OURS:
        begin, end = f"{ours.not_before:%Y-%m-%d}", f"{ours.not_after:%Y-%m-%d}"
        said = _OURS[name].format(uri=ours.application_uri, begin=begin, end=end)
        return f"{endpoint.url} refuses our certificate {file} ({name}): {said}"
    return ""


def no_channel(endpoint: Endpoint, what: str, ours: Papers, file: Path, now: datetime) -> str:
    """The server listed its endpoints, and then opened no channel without saying why."""
    return (
        f"{endpoint.url} opens no secure channel and does not say why ({what}); mostly it does not trust our "
        f"certificate: {_copy(ours, file, now)}"
    )


def _copy(ours: Papers, file: Path, now: datetime) -> str:
    ended = f", which ended on {ours.not_after:%Y-%m-%d}" if now > ours.not_after else ""
    return (
        f"copy {file} (thumbprint {ours.thumbprint}{ended}) into the list of trusted clients there, or accept it among "
        "those that the server has refused"
    )


def user_refused(endpoint: Endpoint, name: str) -> str:
    """The server said `name` to the user; empty: that is about something else."""
    if endpoint.certificate and (name in _USER or name.startswith("BadCertificate")):
        look = "is it trusted there as a user's (not an application's), and is it still valid?"
        return f"{endpoint.url} does not let the user with the certificate {endpoint.certificate} in ({name}): {look}"
    if name not in _USER:
        return ""
    if endpoint.user:
        place = endpoint.password_file or "there is no PasswordFile"
        return (
            f"{endpoint.url} does not let the user {endpoint.user} in ({name}): is the password in PasswordFile "
            f"({place}) the right one, and does the user exist there?"
        )
    return (
        f"{endpoint.url} lets nobody in without a name ({name}): give UserName and PasswordFile, or Certificate and "
        "PrivateKey, under protocols.opcua"
    )
