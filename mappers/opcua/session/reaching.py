"""Why there is no session, in words, and what to try."""

import socket

from asyncua import ua

from mappers.opcua import status
from mappers.opcua.endpoint import Endpoint
from mappers.shared import reaching

SERVICE = "the OPC UA server"
_WHO = "look at UserName and at the file PasswordFile names"
_USER = {
    "BadUserAccessDenied": _WHO,
    "BadIdentityTokenRejected": _WHO,
    "BadIdentityTokenInvalid": _WHO,
    "BadUserSignatureInvalid": "look at Certificate and PrivateKey of the user",
}
_TO_TRY = {
    "BadTcpEndpointUrlInvalid": "the server has no such path; look at Endpoint",
    "BadServerUriInvalid": "the server is another one; look at Endpoint",
    "BadSecurityPolicyRejected": "the server does not offer this security; leave SecurityPolicy out",
    "BadSecurityModeRejected": "the server does not offer this security; leave SecurityMode out",
    "BadCertificateUntrusted": "the server does not trust the gateway's certificate; accept it there",
    "BadSecurityChecksFailed": "the server refuses the gateway's certificate; accept it there",
    "BadTooManySessions": "the server has no session left; end others, or wait until they run out",
    "BadMaxConnectionsReached": "the server takes no more connections; end others",
    "BadTooManyPublishRequests": "the server has no room; end other sessions",
    "BadServerHalted": "the server is switched off or not ready yet",
    "BadTcpServerTooBusy": "the server has no time; try later",
}


def refused(endpoint: Endpoint, error: Exception | str) -> str:
    """What to tell when connecting failed."""
    return f"{endpoint.url}: {_what(endpoint, error)}"


def _what(endpoint: Endpoint, error: Exception | str) -> str:
    if isinstance(error, str):
        return error
    if isinstance(error, ua.UaStatusCodeError):
        return _said(endpoint, status.name_of(error.code))
    if isinstance(error, TimeoutError):
        return f"no answer within {endpoint.timeout:g} s: {reaching.SILENT}"
    if isinstance(error, OSError):
        return why(error)
    if str(error).startswith("No matching endpoints"):
        return "the server does not offer this security; leave SecurityPolicy and SecurityMode out"
    return f"it does not answer as an OPC UA server does ({type(error).__name__}: {str(error)[:100]})"


def _said(endpoint: Endpoint, name: str) -> str:
    if name in _USER:
        who = f"user {endpoint.user}" if endpoint.user else "this user's certificate"
        who = who if endpoint.user or endpoint.certificate else "a user without a name"
        what = _USER[name] if endpoint.user or endpoint.certificate else "give UserName and PasswordFile"
        return f"the server does not let {who} in ({name}); {what}"
    hint = _TO_TRY.get(name)
    return f"the server refuses ({name})" + (f": {hint}" if hint else "")


def why(error: OSError) -> str:
    """Why a connection cannot be opened, or was lost."""
    if isinstance(error, ConnectionError) and not error.errno:
        return "the server hung up"
    return reaching.why(error, SERVICE) if not isinstance(error, socket.timeout) else reaching.SILENT
