"""One server, from the connection to a device profile."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from asyncua import ua
from asyncua.ua.attribute_ids import AttributeIds
from asyncua.ua.object_ids import ObjectIds

from gateway.model.contracts import Clock
from gateway.model.errors import ConfigError, GatewayError
from gateway.model.place import Place
from gateway.model.plan import Connection
from gateway.model.reading import Quality
from mappers.opcua.address import NodeRef, node_ref
from mappers.opcua.discovery.asks import Asks, Looking
from mappers.opcua.discovery.describe import Description, Product, describe, profile_name
from mappers.opcua.discovery.glob import Globs
from mappers.opcua.discovery.inquire import AT_ONCE, Inquiry
from mappers.opcua.discovery.kinds import plain_text, value_of
from mappers.opcua.discovery.walk import KINDS, OBJECT, OBJECTS, Found, Limits, Walk
from mappers.opcua.session.session import Session

_PRODUCT = (
    ObjectIds.Server_ServerStatus_BuildInfo_ProductName,
    ObjectIds.Server_ServerStatus_BuildInfo_ManufacturerName,
    ObjectIds.Server_ServerStatus_BuildInfo_SoftwareVersion,
)
_START = (AttributeIds.NodeClass, AttributeIds.BrowseName, AttributeIds.DisplayName)


@dataclass(frozen=True, slots=True)
class Wish:
    """What somebody wants to know of a server."""

    globs: Globs = field(default_factory=Globs)
    node: NodeRef | None = None
    """Where to begin; None: the Objects folder."""
    limits: Limits = field(default_factory=Limits)
    writable: bool = False


class Scan:
    """One scan; what is known grows while it runs, and stays when it is cancelled."""

    def __init__(self, connection: Connection, clock: Clock, place: Place, wish: Wish) -> None:
        self.clock = clock
        self.product = Product()
        self._session = Session(connection, clock, place)
        self._wish = wish
        self._walk: Walk | None = None
        self._inquiry: Inquiry | None = None
        self._said: list[str] = []

    @property
    def progress(self) -> str:
        """How far it is, in words."""
        if self._walk is None or self._inquiry is None:
            return "connecting"
        walk = self._walk
        return f"{walk.browsed} nodes looked into, {walk.found} values and methods found, {self.described} described"

    @property
    def described(self) -> int:
        """Values and methods of which everything is known."""
        return len(self._inquiry.variables) + len(self._inquiry.methods) if self._inquiry else 0

    @property
    def said(self) -> list[str]:
        """Why not everything was seen, in words."""
        walk = self._walk
        refused = [f"{count} nodes were left out: {why}" for why, count in walk.refused.items()] if walk else []
        return [*(walk.said if walk else ()), *self._said, *refused]

    async def run(self) -> None:
        """Raises NotConnected, NoAnswer, DeviceError when nothing at all was seen; ConfigError for a node to begin at
        that is none."""
        try:
            await self._session.connect()
            server, namespaces = Looking(self._session), self._session.namespaces.now
            self.product = await _product(server)
            start = await self._start(server)
            self._inquiry = Inquiry(server, namespaces)
            self._walk = Walk(server, namespaces, self._wish.globs, self._wish.limits, self.clock)
            await self._look(start, self._walk, self._inquiry)
        finally:
            await self._session.close()

    async def _look(self, start: Found, walk: Walk, inquiry: Inquiry) -> None:
        ready: list[Found] = []

        async def ask() -> None:
            ready.extend(walk.take())
            while len(ready) >= AT_ONCE:
                some = ready[:AT_ONCE]
                del ready[:AT_ONCE]
                await inquiry.run(some)

        await walk.run(start, ask)
        try:
            await inquiry.run([*ready, *walk.take()])
        except GatewayError as error:
            self._said.append(f"the server or the connection failed on the way: {error}")

    async def _start(self, server: Asks) -> Found:
        ref = self._wish.node
        if ref is None:
            return Found(OBJECTS, OBJECT, 0, "Objects", "Objects")
        id_ = self._session.namespaces.node_id(ref)
        if isinstance(id_, Quality):
            raise ConfigError(f"{ref}: {id_.code}")
        kind, name, display = [value_of((await server.read([id_], attribute))[0]) for attribute in _START]
        if not isinstance(kind, int) or not kind & KINDS or not isinstance(name, ua.QualifiedName):
            raise ConfigError(f"{ref}: the server has no such object, variable or method")
        return Found(id_, int(kind), int(name.NamespaceIndex), plain_text(name.Name) or str(ref), plain_text(display))

    def describe(self, name: str = "") -> Description:
        """What is known now. Raises ConfigError: the name is none."""
        inquiry = self._inquiry
        variables, methods = (inquiry.variables, inquiry.methods) if inquiry else ([], [])
        made = describe(variables, methods, self.product, name or profile_name(self.product), self._wish.writable)
        made.notes[:0] = [_sentence(text) for text in self.said]
        return made


async def _product(server: Asks) -> Product:
    values = await server.read([ua.NodeId(ua.Int32(number)) for number in _PRODUCT], AttributeIds.Value)
    name, maker, version = [plain_text(value_of(value))[:100] for value in values]
    return Product(name, maker, version)


def _sentence(text: str) -> str:
    return f"NOT EVERYTHING WAS SEEN: {text}."


def wish(paths: Sequence[str], limits: Limits, node: str = "", *, writable: bool = False) -> Wish:
    """From what people write. Raises ConfigError: a path or the node is none."""
    try:
        return Wish(Globs(paths), node_ref(node) if node else None, limits, writable)
    except ValueError as error:
        raise ConfigError(str(error)) from None
