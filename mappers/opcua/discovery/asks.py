"""What discovery asks of a server: the services that only look."""

from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Protocol

from asyncua import ua
from asyncua.client.ua_session import UaSession
from asyncua.ua.attribute_ids import AttributeIds

from gateway.model.errors import GatewayError

if TYPE_CHECKING:
    from mappers.opcua.session.session import Session


class Asks(Protocol):
    """Fulfilled by `Looking`. Everything raises NotConnected, NoAnswer and DeviceError, and has one answer for each
    item asked for."""

    async def browse(self, nodes: Sequence[ua.BrowseDescription], most: int) -> list[ua.BrowseResult]:
        """At most `most` references of each node at once (Part 4, 5.9.2)."""
        ...

    async def browse_next(self, points: Sequence[ua.ContinuationPoint]) -> list[ua.BrowseResult]:
        """The next references of each continuation point (Part 4, 5.9.3)."""
        ...

    async def release(self, points: Sequence[ua.ContinuationPoint]) -> None:
        """The server may forget these points. Never raises: it forgets them with the session, too."""
        ...

    async def read(self, nodes: Sequence[ua.NodeId], attribute: AttributeIds) -> list[ua.DataValue]:
        """One attribute of each node, with its status."""
        ...


class Looking:
    """Asks over a session."""

    def __init__(self, session: "Session") -> None:
        self._session = session

    async def browse(self, nodes: Sequence[ua.BrowseDescription], most: int) -> list[ua.BrowseResult]:
        async def work(to: UaSession, part: list[ua.BrowseDescription]) -> list[ua.BrowseResult]:
            return await to.browse(
                ua.BrowseParameters(RequestedMaxReferencesPerNode=ua.Counter(most), NodesToBrowse=part)
            )

        return await self._session.in_batches("browse", nodes, work)

    async def browse_next(self, points: Sequence[ua.ContinuationPoint]) -> list[ua.BrowseResult]:
        async def work(to: UaSession, part: list[ua.ContinuationPoint]) -> list[ua.BrowseResult]:
            return await to.browse_next(
                ua.BrowseNextParameters(ReleaseContinuationPoints=False, ContinuationPoints=part)
            )

        return await self._session.in_batches("browse", points, work)

    async def release(self, points: Sequence[ua.ContinuationPoint]) -> None:
        parameters = ua.BrowseNextParameters(ReleaseContinuationPoints=True, ContinuationPoints=list(points))
        with suppress(GatewayError):
            await self._session.ask(lambda to: to.browse_next(parameters))

    async def read(self, nodes: Sequence[ua.NodeId], attribute: AttributeIds) -> list[ua.DataValue]:
        return await self._session.read(nodes, attribute)
