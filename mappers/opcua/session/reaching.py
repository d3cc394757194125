"""Why there is no session, in words, and what to try. Certificates and users have words of their own
(`security.words`)."""

import socket

from asyncua import ua

from mappers.opcua import status
from mappers.opcua.endpoint import Endpoint
from mappers.shared import reaching

SERVICE = "the OPC UA server"
_TO_TRY = {
    "BadTcpEndpointUrlInvalid": "the server has no such path; look at Endpoint",
    "BadServerUriInvalid": "the server is another one; look at Endpoint",
    "BadSecurityPolicyRejected": "the server does not offer this security; leave SecurityPolicy out",
    "BadSecurityModeRejected": "the server does not offer this security; leave SecurityMode out",
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
        return _said(status.name_of(error.code))
    if isinstance(error, TimeoutError):
        return f"no answer within {endpoint.timeout:g} s: {reaching.SILENT}"
    if isinstance(error, OSError):
        return why(error)
    if str(error).startswith("No matching endpoints"):
        return "the server does not offer this security; leave SecurityPolicy and SecurityMode out"
    return f"it does not answer as an OPC UA server does ({type(error).__name__}: {str(error)[:100]})"


def _said(name: str) -> str:
    hint = _TO_TRY.get(name)
    return f"the server refuses ({name})" + (f": {hint}" if hint else "")


def why(error: OSError) -> str:
    """Why a connection cannot be opened, or was lost."""
    if isinstance(error, ConnectionError) and not error.errno:
        return "the server hung up"
    return reaching.why(error, SERVICE) if not isinstance(error, socket.timeout) else reaching.SILENT
