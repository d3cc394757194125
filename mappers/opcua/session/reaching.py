"""Why there is no session, in words, and what to try. Certificates and users have words of their own
(`security.words`)."""

import socket
import traceback
from types import FrameType

from asyncua import ua

from mappers.opcua import status
from mappers.opcua.endpoint import Endpoint
from mappers.opcua.session.wire import NO_SERVER, BoundedClient
from mappers.shared import reaching

SERVICE = "the OPC UA server"
SILENT = "the server is there and began to answer; it may be starting, or have too much to do"
_ASKING = ("struct_to_binary", "message_to_binary")
"""Functions of the library in which it writes what we ask for."""
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


def refused(endpoint: Endpoint, client: BoundedClient, error: Exception) -> str:
    """What to tell when connecting failed. Raises `error` itself when it is a mistake of ours."""
    return f"{endpoint.url}: {_what(endpoint, client, error)}"


def _what(endpoint: Endpoint, client: BoundedClient, error: Exception) -> str:
    if isinstance(error, ua.UaStatusCodeError):
        return _said(status.name_of(error.code))
    if client.why:
        return client.why
    if isinstance(error, TimeoutError):
        seconds = f"{endpoint.timeout:g} s"
        if client.reached and not client.heard:
            return f"something listens there, but does not answer within {seconds}: {NO_SERVER}"
        return f"no answer within {seconds}: {SILENT if client.reached else reaching.SILENT}"
    if isinstance(error, ConnectionError) and client.reached and not client.heard:
        return f"something listens there, but hangs up without a word: {NO_SERVER}"
    if isinstance(error, OSError):
        return why(error)
    if str(error).startswith("No matching endpoints"):
        return "the server does not offer this security; leave SecurityPolicy and SecurityMode out"
    return f"it does not answer as an OPC UA server does ({stumbled(error)})"


def stumbled(error: Exception) -> str:
    """What the library could make nothing of. Raises `error` itself when it is a mistake of ours."""
    if is_ours(error):
        raise error
    return f"{type(error).__name__}: {str(error)[:100]}"


def is_ours(error: Exception) -> bool:
    """Whether what nobody expected was raised by code of ours, or while the library wrote what we ask for. Whatever it
    stumbles over while it reads was sent by the server, and so was what it refuses in its own words (`codec.limits`
    does so, too)."""
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    library = [at for at, frame in enumerate(frames) if _module(frame) == "asyncua"]
    if any(frames[at].f_code.co_name in _ASKING for at in library):
        return True
    ours = [at for at, frame in enumerate(frames) if _module(frame) in ("mappers", "gateway")]
    return not isinstance(error, ua.UaError) and max(library, default=-1) < max(ours, default=0)


def _module(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__", "")).partition(".")[0]


def _said(name: str) -> str:
    hint = _TO_TRY.get(name)
    return f"the server refuses ({name})" + (f": {hint}" if hint else "")


def why(error: OSError) -> str:
    """Why a connection cannot be opened, or was lost."""
    if isinstance(error, ConnectionError) and not error.errno:
        return "the server hung up"
    return reaching.why(error, SERVICE) if not isinstance(error, socket.timeout) else reaching.SILENT
