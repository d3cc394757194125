"""One pymodbus connection, PDU bytes in and out: no retry, no reconnecting, and no answer taken for another's."""

import asyncio
import logging
import termios
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, cast

from pymodbus import ModbusException
from pymodbus.client import AsyncModbusSerialClient, AsyncModbusTcpClient
from pymodbus.framer import FramerBase, FramerSocket

from gateway.model.contracts import Clock
from gateway.model.errors import NoAnswer, NotConnected
from gateway.model.plan import Connection
from gateway.model.recording import Tap
from mappers.modbus.line.ascii import SafeAscii
from mappers.modbus.line.connection import Serial, Tcp
from mappers.modbus.line.ear import Ear
from mappers.modbus.line.frames import Call, Decoder, WholeRtu
from mappers.modbus.line.heard import Heard
from mappers.modbus.line.owned import OwnedPort
from mappers.modbus.line.port import find
from mappers.modbus.line.porttrouble import holders, why
from mappers.shared import reaching

CONNECT_S = 5.0
"""Longest wait for a connection."""
QUIET_S = 0.05
"""How long a serial line must have been quiet, after an answer failed to come, before the next request."""
TURNAROUND_S = 0.2
"""How long a line is left alone after a broadcast, which units carry out in silence (Modbus over Serial Line V1.02,
2.4.1: 100 to 200 ms)."""
MOST_QUIET_S = 1.0
"""Longest wait for that; a line that never falls quiet has two masters or noise."""
_FRAMERS: dict[str, type[FramerBase]] = {"tcp": FramerSocket, "rtu": WholeRtu, "ascii": SafeAscii}
_SPOKEN = {"tcp": "Modbus TCP", "rtu": "RTU frames over TCP"}
log = logging.getLogger(__name__)
logging.getLogger("pymodbus.logging").setLevel(logging.CRITICAL)  # who owns the connection says what happened to it


class Wire:
    """A connection that one caller at a time uses."""

    def __init__(
        self,
        connection: Connection,
        clock: Clock,
        framings: dict[str, str] | None = None,
        taps: Mapping[str, Tap] = MappingProxyType({}),
    ) -> None:
        """By connection: `framings` what `auto` has found, kept by whoever opens one wire after another; `taps` who
        wants to hear now what goes over it."""
        self._key = connection.key
        self._settings = settings = cast(Tcp | Serial, connection.settings)
        self._framings = {} if framings is None else framings
        self.ear = Ear(self._key, taps)
        self.rest_after = 0.0 if settings.close_after_cycle else settings.idle_timeout
        """Seconds; see `Mapper.rest_after`. A device that hangs up meanwhile does nothing wrong."""
        found = self._framings.get(self._key, "tcp")
        self._framing = found if settings.framing == "auto" else settings.framing
        self._clock = clock
        self._client: AsyncModbusTcpClient | AsyncModbusSerialClient | None = None
        self._port: OwnedPort | None = None
        self._refusal = ""
        self._asking = False
        self._doubtful = False
        self._listener = Heard(settings)
        self._quiet_at = 0.0

    @property
    def up(self) -> bool:
        return self._client is not None and self._client.connected

    async def connect(self) -> None:
        """Raises NotConnected with the reason."""
        self.close()
        self._refusal = f"no answer to the connection request within {CONNECT_S:.0f} s: {reaching.SILENT}"
        self._doubtful = False
        self._listener.opened()
        client = self._new_client()
        self._client = client
        create = client.ctx.call_create

        async def create_and_remember() -> Any:
            try:
                made = await create()
                if self._port is not None:
                    self._port.lock(made[0].sync_serial)
                return made
            except OSError as error:
                self._refusal = await self._why(error)
                raise
            except (termios.error, ValueError) as error:  # no OSError, and pyserial lets it through
                self._refusal = f"the port does not take these settings: {error.args[-1]}"
                raise OSError(*error.args) from None

        client.ctx.call_create = create_and_remember
        try:
            async with self._clock.timeout(CONNECT_S):
                up = await client.connect()
                await asyncio.sleep(0)
        except TimeoutError:
            up = False
        except asyncio.CancelledError:
            asyncio.get_running_loop().call_soon(client.close)  # pyserial's port is set up by a call already queued
            raise
        if not up:
            self.close()
            raise NotConnected(f"{self._key}: {self._refusal}")
        if self._settings.connect_delay:
            await self._clock.sleep(self._settings.connect_delay)

    def _new_client(self) -> AsyncModbusTcpClient | AsyncModbusSerialClient:
        settings = self._settings
        client: AsyncModbusTcpClient | AsyncModbusSerialClient
        if isinstance(settings, Tcp):
            client = AsyncModbusTcpClient(
                settings.host,
                port=settings.port,
                reconnect_delay=0,
                retries=0,
                trace_packet=self._heard,
                trace_connect=self._changed,
            )
        else:
            client = self._serial_client(settings)
        client.ctx.framer = framer = _FRAMERS[self._framing](Decoder(False))
        client.ctx.max_buffer_size = framer.MAX_SIZE
        client.ctx.comm_params.timeout_connect = None  # type: ignore[assignment]  # our clock times it
        return client

    async def _why(self, error: OSError) -> str:
        if self._port is not None:
            path = self._port.path
            said = await asyncio.to_thread(why, path, error)  # it looks through all processes
            return said if path == self._key else f"{path}: {said}"
        return reaching.why(error, "Modbus TCP")

    def _serial_client(self, line: Serial) -> AsyncModbusSerialClient:
        """Raises NotConnected when there is no such port now."""
        return AsyncModbusSerialClient(
            self._take_port(line),
            baudrate=line.baud_rate,
            bytesize=line.data_bits,
            stopbits=line.stop_bits,
            parity=line.parity,
            reconnect_delay=0,
            retries=0,
            trace_packet=self._heard,
            trace_connect=self._changed,
        )

    def _take_port(self, line: Serial) -> str:
        """Path of the port, which is ours then."""
        self._port = OwnedPort(self._key, find(line.address))
        return self._port.path

    def _changed(self, connected: bool) -> None:
        """Ends the wait for an answer that cannot come any more."""
        if not connected and self._port is not None:
            self._port.release()
        client = self._client
        if not connected and client is not None:
            self.ear.tell("closed", "")
        if not connected and self._asking and client is not None and not client.ctx.response_future.done():
            client.ctx.response_future.set_exception(ConnectionResetError("the connection was lost"))

    def _heard(self, sending: bool, data: bytes) -> bytes:
        if sending:
            self._listener.asks(data)
            if self.ear.taps and self._client is not None:
                self.ear.sent(self._client.ctx, self._framing, data)
        elif self._asking or not self._doubtful:
            self._listener.hears(data, self._asking)
        if not sending and self._doubtful:
            self._quiet_at = self._clock.monotonic() + QUIET_S
        return data

    async def ask(self, unit: int, pdu: bytes, timeout: float) -> bytes:
        """The PDU that answers. Raises NotConnected, NoAnswer."""
        if self._settings.framing == "auto" and self._key not in self._framings:
            return await self._first_contact(unit, pdu, timeout)
        try:
            return await self._ask(unit, pdu, timeout)
        except NoAnswer:
            if not self._listener.answered:  # nobody has on this connection: perhaps something else is there by now
                self._framings.pop(self._key, None)
            raise

    async def _first_contact(self, unit: int, pdu: bytes, timeout: float) -> bytes:
        """Asks in Modbus TCP frames and in RTU frames, first in those spoken last: who answers in one speaks it."""
        refusal: NoAnswer | NotConnected | None = None
        for framing in (self._framing, "rtu" if self._framing == "tcp" else "tcp"):
            if framing != self._framing or not self.up:
                self._framing = framing
                await self.connect()
            try:
                answer = await self._ask(unit, pdu, timeout)
            except (NoAnswer, NotConnected) as error:
                refusal = refusal or error
                continue
            self._framings[self._key] = framing
            log.info(
                "%s speaks %s; Framing: %s in its device file spares the trial", self._key, _SPOKEN[framing], framing
            )
            return answer
        assert refusal is not None
        raise refusal

    async def tell(self, pdu: bytes) -> None:
        """Sends a broadcast, which nobody answers, and leaves the line alone for the turnaround. Raises
        NotConnected."""
        client = await self._ready()
        self._doubtful = True  # a unit that answers all the same is not taken for the next one
        try:
            await client.execute(True, Call(pdu, 0))
        except (ModbusException, OSError) as error:
            self.close()
            raise NotConnected(f"{self._key}: {error}") from None
        line = self._settings
        leaving = len(client.ctx.framer.encode(pdu, 0, 0)) * line.char_s if isinstance(line, Serial) else 0.0
        await self._clock.sleep(leaving + TURNAROUND_S)
        if not client.connected:
            raise NotConnected(f"{self._key}: the connection was lost")

    async def _ready(self) -> AsyncModbusTcpClient | AsyncModbusSerialClient:
        """The connection, when a request may go over it. Raises NotConnected."""
        if not self.up and self.rest_after is not None:
            await self.connect()
        client = self._client
        if client is None or not client.connected:
            raise NotConnected(f"{self._key}: {self._listener.hung_up()}")
        if self._doubtful:
            await self._quiet()
        return client

    async def _ask(self, unit: int, pdu: bytes, timeout: float) -> bytes:
        client = await self._ready()
        call = Call(pdu, unit)
        self._doubtful = self._framing != "tcp"
        self._asking = True
        try:
            async with self._clock.timeout(timeout):
                answer = await client.execute(False, call)
        except TimeoutError:
            self.ear.tell("gave_up", f"after {timeout:g} s")
            self._quiet_at = self._clock.monotonic() + QUIET_S
            raise await self._silence(client, unit, timeout) from None
        except ConnectionResetError:
            self.close()
            raise NotConnected(f"{self._key}: {self._listener.hung_up()}") from None
        except (ModbusException, OSError) as error:
            self.close()
            raise NotConnected(f"{self._key}: {error}") from None
        finally:
            self._asking = False
        return self._own(call, answer)

    def _own(self, call: Call, answer: Any) -> bytes:
        """Raises NoAnswer for an answer to something else (pymodbus lets transaction 0 pass)."""
        pdu: bytes = answer.pdu
        if answer.transaction_id != call.transaction_id or not pdu or pdu[0] & 0x7F != call.function_code:
            self._quiet_at = self._clock.monotonic() + QUIET_S
            what = (
                "answered another request than the one sent: another master on the line, or a Timeout that is too short"
            )
            raise NoAnswer(f"unit {call.dev_id} on {self._key} {what}")
        self._doubtful = False
        self._listener.answer(call.dev_id)
        return pdu

    async def _silence(self, client: Any, unit: int, timeout: float) -> NoAnswer | NotConnected:
        if not client.connected:
            return NotConnected(f"{self._key}: {self._listener.hung_up()}")
        if client.ctx.recv_buffer and self._framing == "tcp":
            self.close()  # the rest of a frame may still come: where the next one begins is not known
            return NotConnected(f"{self._key}: {self._listener.why(unit, self._framing)}")
        why = f"{self._listener.why(unit, self._framing)}{await self._besides()}"
        return NoAnswer(f"unit {unit} on {self._key} did not answer within {timeout:g} s; {why}")

    async def _besides(self) -> str:
        """Who else has the port open, when what came over it cannot be understood."""
        if self._port is None or not self._listener.came:
            return ""
        others = await asyncio.to_thread(holders, self._port.path)
        return f"; the port is also open in {', '.join(others)}" if others else ""

    async def _quiet(self) -> None:
        """Until a late answer can no longer be taken for the next one's: RTU and ASCII frames carry no number."""
        until = self._clock.monotonic() + MOST_QUIET_S
        while (now := self._clock.monotonic()) < min(self._quiet_at, until):
            await self._clock.sleep(min(self._quiet_at, until) - now)

    def close(self) -> None:
        """Idempotent; never raises. Whoever still waits for an answer gets NotConnected."""
        self._changed(False)
        client, self._client = self._client, None
        if client is not None:
            client.close()
