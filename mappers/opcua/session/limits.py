"""How much may go into one request: what the server says, what its device file says, and what it turned out to bear.

OPC UA Part 5, 6.3.11 (OperationLimits).
"""

from collections.abc import Mapping

from asyncua import ua

USUAL = 1000
"""Where nobody says anything."""
_IDS = ua.ObjectIds
NODES: Mapping[str, int] = {
    "read": _IDS.Server_ServerCapabilities_OperationLimits_MaxNodesPerRead,
    "write": _IDS.Server_ServerCapabilities_OperationLimits_MaxNodesPerWrite,
    "call": _IDS.Server_ServerCapabilities_OperationLimits_MaxNodesPerMethodCall,
    "browse": _IDS.Server_ServerCapabilities_OperationLimits_MaxNodesPerBrowse,
    "translate": _IDS.Server_ServerCapabilities_OperationLimits_MaxNodesPerTranslateBrowsePathsToNodeIds,
    "monitor": _IDS.Server_ServerCapabilities_OperationLimits_MaxMonitoredItemsPerCall,
    "history": _IDS.Server_ServerCapabilities_OperationLimits_MaxNodesPerHistoryReadData,
}
"""By what is asked, the variable of the server that says how many at once."""


class Limits:
    """Of one connection."""

    def __init__(self, most: int | None) -> None:
        """`most`: of the device file, for everything."""
        self._most = most
        self._of: dict[str, int] = {}

    def take(self, said: Mapping[str, object]) -> None:
        """What the server says, by what is asked; nought is no limit."""
        for what, count in said.items():
            if isinstance(count, int) and count > 0:
                self._of[what] = count

    def of(self, what: str) -> int:
        """Items of one request."""
        found = self._of.get(what, self._most or USUAL)
        return min(found, self._most) if self._most else found

    def halve(self, what: str, tried: int) -> None:
        """So many were too many."""
        self._of[what] = max(1, tried // 2)
