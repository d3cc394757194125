"""The port of a simulated server: asyncua's, which may be slow, silent or deaf on purpose."""

from collections.abc import Callable
from typing import Any

from asyncua import Server, ua
from asyncua.server.binary_server_asyncio import BinaryServer, OPCUAProtocol

from gateway.model.contracts import Clock
from simulators.opcua.faults import ServerFaults


class _Connection(OPCUAProtocol):
    """One client."""

    def __init__(self, faults: Callable[[], ServerFaults], clock: Clock, **parts: Any) -> None:
        super().__init__(**parts)
        self._faults = faults
        self._clock = clock

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        if self.processor is not None:
            self._tell = self.processor.forward_publish_response
            self.processor.forward_publish_response = self._publish  # type: ignore[method-assign,assignment]

    async def _process_one_msg(self, header: Any, buf: Any) -> bool:
        faults = self._faults()
        if faults.delay:
            await self._clock.sleep(faults.delay)
        if faults.silence and self.processor is not None:
            self.processor._connection.receive_from_header_and_body(header, buf)  # noqa: SLF001  messages are counted
            return True
        return await super()._process_one_msg(header, buf)

    async def _publish(self, result: ua.PublishResult, request: Any) -> None:
        faults = self._faults()
        if faults.silence or faults.mute:
            return
        if faults.frozen:
            result.NotificationMessage.NotificationData = []
        await self._tell(result, request)


class Door(BinaryServer):
    """Opened and closed with all that hangs on it."""

    def __init__(
        self, server: Server, place: tuple[str, int], faults: Callable[[], ServerFaults], clock: Clock
    ) -> None:
        """`place`: host and port; port 0 is a free one, and `port` says which once open."""
        super().__init__(server.iserver, *place, server.limits)
        self._of = server
        self._faults = faults
        self._clock = clock

    def _make_protocol(self) -> OPCUAProtocol:
        return _Connection(
            self._faults,
            self._clock,
            iserver=self.iserver,
            policies=self._policies,
            clients=self.clients,
            closing_tasks=self.closing_tasks,
            limits=self.limits,
        )

    async def open(self) -> None:
        """What asyncua's `Server.start` does. Raises OSError."""
        await self._of._setup_server_nodes()  # noqa: SLF001
        await self.iserver.start()
        self.set_policies(self._of._policies)  # noqa: SLF001
        await self.start()

    async def close(self) -> None:
        """Connections are cut, and sessions end."""
        for client in list(self.clients):
            if client.transport is not None:
                client.transport.abort()
        await self.stop()
        await self.iserver.stop()
