"""One session: opened by the Lane, asked by the mapper, closed by either. Everything asked has a time-out."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import TypeVar

from asyncua import ua
from asyncua.client.ua_session import UaSession

from gateway.model.contracts import Clock
from gateway.model.errors import DeviceError, NoAnswer, NotConnected
from gateway.model.place import Place
from gateway.model.plan import Connection
from gateway.model.reading import Quality
from mappers.opcua import status
from mappers.opcua.address import At
from mappers.opcua.codec.structure import Types
from mappers.opcua.endpoint import Endpoint
from mappers.opcua.security.opening import open_session
from mappers.opcua.session.held import Held, Holdings
from mappers.opcua.session.limits import NODES, Limits
from mappers.opcua.session.names import Namespaces, node_id
from mappers.opcua.session.paths import Paths
from mappers.opcua.session.reaching import refused, stumbled, why
from mappers.opcua.session.wire import BoundedClient

T = TypeVar("T")
A = TypeVar("A")
RENEW_AT = 0.75
"""Share of a channel's lifetime after which its keys are made anew (Part 4, 5.5.2.1)."""
GOODBYE_S = 2.0
"""A server that does not answer is not waited for longer when the session is closed."""


class Session:
    """Fulfils nothing by itself: what mapper, subscription, history and discovery stand on."""

    def __init__(self, connection: Connection, clock: Clock, place: Place, meant: dict[int, str] | None = None) -> None:
        """`meant`: what indexes of namespaces meant on this connection since the start; kept by whoever opens."""
        assert isinstance(connection.settings, Endpoint)
        self.endpoint = connection.settings
        self._clock, self._place = clock, place
        self._meant = meant if meant is not None else {}
        self._client: BoundedClient | None = None
        self._gone = asyncio.Event()
        self._why = ""
        self._renew_at = 0.0
        self.limits = Limits(self.endpoint.max_nodes)
        self.namespaces = Namespaces((), {})
        self._paths = Paths(clock)
        self._holdings = Holdings()
        self.types = Types()
        """What is known of the server's data types; begins anew with every connection."""

    @property
    def up(self) -> bool:
        """There is a session, as far as anybody knows."""
        return self._client is not None and self._client.up

    async def connect(self) -> None:
        """Raises NotConnected. A mistake of ours is raised as it is."""
        if self.up:
            return
        await self.close()
        self._gone, self._why = asyncio.Event(), ""
        client = BoundedClient(self.endpoint.url, self.endpoint.timeout)
        try:
            await self._begin(client)
        except (NotConnected, NoAnswer, DeviceError) as error:
            await self._end(client)
            raise error if isinstance(error, NotConnected) else NotConnected(str(error)) from None
        except Exception as error:
            await self._end(client)
            raise NotConnected(refused(self.endpoint, client, error)) from error
        except BaseException:
            await self._end(client)
            raise

    async def _begin(self, client: BoundedClient) -> None:
        await open_session(client, self.endpoint, self._place, self._clock)
        client.watch(self._gone.set)
        self._client = client
        self._renew_at = self._clock.monotonic() + RENEW_AT * client.secure_channel_timeout / 1000
        self._paths, self._holdings = Paths(self._clock), Holdings()
        await self._look_around()

    async def _look_around(self) -> None:
        """Namespaces, and how much the server takes at once."""
        asked = [
            node_id(ua.ObjectIds.Server_NamespaceArray),
            *(node_id(i) for i in NODES.values()),
        ]
        self.limits = Limits(self.endpoint.max_nodes)
        array, *limits = [_value(found) for found in await self.read(asked)]
        if not isinstance(array, list) or not all(isinstance(uri, str) for uri in array):
            raise NotConnected(f"{self.endpoint.url}: it does not say its namespaces (NamespaceArray)")
        self.namespaces = Namespaces(array, self._meant)
        self.types.forget(array)
        self.limits.take(dict(zip(NODES, limits, strict=True)))

    @property
    def services(self) -> UaSession:
        """For what is asked without a time-out, which is Publish. Raises NotConnected."""
        if self._client is None or not self._client.up:
            raise self._not_connected("there is no session")
        return self._client.uaclient.session

    async def close(self) -> None:
        """Idempotent; never raises."""
        client, self._client = self._client, None
        if client is not None:
            await self._end(client)

    async def _end(self, client: BoundedClient) -> None:
        if self._client is client:
            self._client = None
        try:
            async with self._clock.timeout(GOODBYE_S):
                await client.end()
        except TimeoutError:
            client.disconnect_socket()
        await asyncio.sleep(0)  # the transport closes in the loop's next turn

    async def lost(self) -> str:
        """Waits while connected; returns why when the connection is gone."""
        await self._gone.wait()
        return self._why or (self._client.why if self._client else "") or "the server closed the connection"

    async def ask(self, work: Callable[[UaSession], Awaitable[T]], patience: float | None = None) -> T:
        """One exchange. Raises NotConnected; NoAnswer when nothing comes in time; DeviceError when the server refuses
        the request as a whole. A mistake of ours is raised as it is."""
        client = self._client
        if client is None or not client.up:
            raise self._not_connected("there is no session" if client is None else client.why or "it hung up")
        seconds = min(patience or self.endpoint.timeout, self.endpoint.timeout)
        try:
            async with self._clock.timeout(seconds):
                return await work(client.uaclient.session)
        except TimeoutError:
            if not client.up:
                raise self._not_connected(client.why or "it hung up") from None
            raise NoAnswer(f"{self.endpoint.url} did not answer within {seconds:g} s") from None
        except ua.UaStatusCodeError as error:
            name = status.name_of(error.code)
            if name in status.GONE or not client.up:
                raise self._drop(client, f"the session is gone ({name})") from None
            raise DeviceError(name, status.said(name)) from None
        except OSError as error:
            raise self._drop(client, client.why or why(error)) from None
        except Exception as error:
            what = client.why or f"it sent what is not OPC UA ({stumbled(error)})"
            raise self._drop(client, what) from error

    def _drop(self, client: BoundedClient, reason: str) -> NotConnected:
        """The connection is of no more use; `close` ends it in peace."""
        self._why = reason
        client.disconnect_socket()
        return self._not_connected(reason)

    def _not_connected(self, reason: str) -> NotConnected:
        return NotConnected(f"{self.endpoint.url}: {reason}")

    async def in_batches(
        self,
        what: str,
        items: Sequence[A],
        work: Callable[[UaSession, list[A]], Awaitable[Sequence[T]]],
        patience: float | None = None,
    ) -> list[T]:
        """An answer for each item, in as few requests as the server takes; `what` is a key of `limits.NODES`. Raises as
        `ask`."""
        found: list[T] = []
        while len(found) < len(items):
            part = list(items[len(found) : len(found) + self.limits.of(what)])
            try:
                answers = await self.ask(lambda session, part=part: work(session, part), patience)  # type: ignore[misc]
            except DeviceError as error:
                if error.code not in status.TOO_MUCH or len(part) == 1:
                    raise
                self.limits.halve(what, len(part))
                continue
            if len(answers) != len(part):
                assert self._client is not None
                raise self._drop(self._client, f"it was asked for {len(part)} things and answered {len(answers)}")
            found += answers
        return found

    async def read(
        self,
        nodes: Sequence[ua.NodeId],
        attribute: ua.AttributeIds = ua.AttributeIds.Value,
        *,
        times: bool = False,
        patience: float | None = None,
    ) -> list[ua.DataValue]:
        """One attribute of each node; a node that cannot be read has a bad status. `times`: with source timestamps.
        Raises NotConnected, NoAnswer."""
        stamps = ua.TimestampsToReturn.Source if times else ua.TimestampsToReturn.Neither

        async def work(session: UaSession, part: list[ua.NodeId]) -> list[ua.DataValue]:
            asked = ua.ReadParameters(TimestampsToReturn=stamps)
            asked.NodesToRead = [ua.ReadValueId(NodeId=node, AttributeId=attribute) for node in part]
            try:
                return await session.read(asked)
            except ua.UaStatusCodeError as error:
                name = status.name_of(error.code)
                if name in status.GONE or (name in status.TOO_MUCH and len(part) > 1):
                    raise
                return [ua.DataValue(StatusCode=ua.StatusCode(error.code))] * len(part)

        return await self.in_batches("read", nodes, work, patience)

    async def write(self, wishes: Sequence[ua.WriteValue]) -> list[ua.StatusCode]:
        """A status for each. Raises as `ask`."""

        async def work(session: UaSession, part: list[ua.WriteValue]) -> list[ua.StatusCode]:
            return await session.write(ua.WriteParameters(NodesToWrite=part))

        return await self.in_batches("write", wishes, work)

    async def resolve(self, places: Iterable[At]) -> Mapping[At, ua.NodeId | Quality]:
        """Node ids on this server now, or what is wrong. Raises NotConnected, NoAnswer."""
        return await self._paths.resolve(self, list(places))

    async def held(self, nodes: Sequence[ua.NodeId]) -> Mapping[ua.NodeId, Held | Quality]:
        """What variables hold. Raises NotConnected, NoAnswer."""
        return await self._holdings.of(self, nodes)

    def forget(self, at: At) -> None:
        """A path that led to a node that is not there any more is followed anew."""
        self._paths.forget(at)

    async def keep(self) -> None:
        """Asks something, so that the server keeps a session over which nothing else goes. Raises NotConnected,
        NoAnswer."""
        await self.read([node_id(ua.ObjectIds.Server_ServerStatus_State)])

    async def renew(self) -> None:
        """Makes the channel's keys anew when it is time. Raises NotConnected."""
        client = self._client
        if client is None or self._clock.monotonic() < self._renew_at:
            return

        async def work(_: UaSession) -> None:
            await client.open_secure_channel(renew=True)
            client.uaclient.revolve_security_token()

        wrong = "the secure channel could not be renewed"
        try:
            await self.ask(work)
        except NoAnswer:
            raise self._drop(client, f"{wrong}: no answer within {self.endpoint.timeout:g} s") from None
        except DeviceError as error:
            raise self._drop(client, f"{wrong}: {error}") from None
        self._renew_at = self._clock.monotonic() + RENEW_AT * client.secure_channel_timeout / 1000


def _value(found: ua.DataValue) -> object:
    return (
        found.Value.Value
        if found.Value is not None and (found.StatusCode is None or found.StatusCode.is_good())
        else None
    )
