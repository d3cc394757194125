"""Nodes that are taken out of a server's address space for a while, and put back."""

from asyncua import ua
from asyncua.server.address_space import AddressSpace, NodeData

from simulators.opcua.ids import status

Reference = tuple[ua.NodeId, ua.ReferenceDescription]


class Hiding:
    """Who hears of a node that goes is told BadNodeIdUnknown, once; its monitored items do not come back with it."""

    def __init__(self, space: AddressSpace) -> None:
        self._space = space
        self._away: dict[ua.NodeId, tuple[NodeData, list[Reference]]] = {}

    async def only(self, ids: set[ua.NodeId]) -> None:
        """These are hidden, and no others."""
        for id_ in self._away.keys() - ids:
            data, references = self._away.pop(id_)
            self._space[id_] = data
            for parent, reference in references:
                self._space[parent].references.append(reference)
        for id_ in ids - self._away.keys():
            await self._hide(id_)

    async def _hide(self, id_: ua.NodeId) -> None:
        data = self._space[id_]
        gone = ua.DataValue(StatusCode=status(ua.StatusCodes.BadNodeIdUnknown))
        for handle, callback in list(data.attributes[ua.AttributeIds.Value].datachange_callbacks.items()):
            await callback(handle, gone)
            self._space.delete_datachange_callback(handle)
        references = []
        for parent in [reference.NodeId for reference in data.references if not reference.IsForward]:
            of_parent = self._space[parent].references
            references += [(parent, reference) for reference in of_parent if reference.NodeId == id_]
            of_parent[:] = [reference for reference in of_parent if reference.NodeId != id_]
        self._away[id_] = data, references
        del self._space[id_]
