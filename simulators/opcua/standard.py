"""asyncua's internal server, with the 6,000 nodes of the standard address space (Part 5) made once for all servers of
the process: a server starts in a tenth of a second instead of one or two."""

from pathlib import Path
from typing import Any

from asyncua import ua
from asyncua.server.address_space import AttributeValue, NodeData
from asyncua.server.internal_server import InternalServer
from asyncua.server.internal_session import InternalSession
from asyncua.server.user_managers import UserManager

from simulators.opcua.security import Users

CHANGING = {ua.AttributeIds.Value, ua.AttributeIds.EventNotifier}
_standard: dict[ua.NodeId, NodeData] = {}


class Standard(InternalServer):
    """As asyncua's. It tells no time by itself: asyncua's clock takes a second to stop."""

    def __init__(self, users: UserManager | None = None) -> None:
        """Without `users` everybody may do everything."""
        super().__init__(user_manager=users)
        self._sessions: set[InternalSession] = set()

    async def load_standard_address_space(self, shelf_file: Path | None = None) -> None:
        if not _standard:
            await super().load_standard_address_space(shelf_file)
            _standard.update((id_, _copied(self.aspace[id_])) for id_ in self.aspace.keys())  # noqa: SIM118
        else:
            for id_, data in _standard.items():
                self.aspace[id_] = _copied(data)
        self.disabled_clock = True

    def register_external_session(self, session: InternalSession) -> None:
        super().register_external_session(session)
        self._sessions.add(session)

    def unregister_external_session(self, session: InternalSession) -> None:
        super().unregister_external_session(session)
        self._sessions.discard(session)

    async def stop(self) -> None:
        """Sessions end, too, also those that wait for clients that were cut off (Part 4, 6.7)."""
        await super().stop()
        for session in list(self._sessions):
            await session.close_session(True)


class Internal(Standard):
    """Of a simulated server."""

    def __init__(self, users: Users) -> None:
        super().__init__(users)
        self._known = users.known

    def verify_x509_token(self, isession: Any, token: ua.X509IdentityToken, signature: ua.SignatureData) -> bytes:
        """Whoever shows a certificate has its key and is known. Raises ServiceError."""
        return self._known(super().verify_x509_token(isession, token, signature))


def _copied(data: NodeData) -> NodeData:
    """Of the attributes of a standard node those in `CHANGING` are changed in place; the others are shared."""
    found = NodeData(data.nodeid)
    found.attributes = dict(data.attributes)
    for attribute in CHANGING & data.attributes.keys():
        value = data.attributes[attribute].value
        if value is not None:
            found.attributes[attribute] = AttributeValue(value)
    found.references = list(data.references)
    return found
