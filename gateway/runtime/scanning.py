"""Asks in the background who is there and what devices have: one discovery per service, one scan per device at a time.

What a scan makes goes through the registry, as every change of the configuration does.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from gateway.model.abilities import Discovers, Scan, Scans
from gateway.model.configuration import Configuration
from gateway.model.contracts import Clock, Protocols, Registry
from gateway.model.device import Device
from gateway.model.errors import CommandRejected, ConfigError, GatewayError
from gateway.model.profile import DeviceProfile

MOST_SCANS = 4
"""At the same time."""
MOST_KEPT = 100
"""Scans that are remembered."""
log = logging.getLogger(__name__)


@dataclass(slots=True, eq=False)
class Run:
    """One scan or discovery, for people."""

    name: str
    """The device, or the service."""
    request: str
    """Id of the request that began it."""
    profile: str = ""
    state: str = "running"
    """running, done, failed, stopped."""
    reason: str = ""
    said: Callable[[], str] = str
    """How far it is, in words."""
    notes: Sequence[str] = ()
    task: asyncio.Task[None] | None = field(default=None, repr=False)


class Scanning:
    """All scans and discoveries of a gateway."""

    def __init__(
        self, protocols: Protocols, registry: Registry, clock: Clock, places: Mapping[str, Sequence[str]]
    ) -> None:
        """`places`: where discovery looks, by service."""
        self._protocols, self._registry, self._clock, self._places = protocols, registry, clock, places
        self.scans: dict[str, Run] = {}
        """By device, the last one."""
        self.discoveries: dict[str, Run] = {}
        """By service, the last one."""
        self.found: dict[str, dict[str, Device]] = {}
        """By service and name, what the last discovery has found."""

    def scan(self, service: str, device: str, profile: str, options: Mapping[str, Any], request: str) -> None:
        """Begins to make a profile of what a device has; the device gets it. `profile` empty: a name is made up. Raises
        CommandRejected: 400, 404, 409, 429, 501."""
        protocol = self._scanner(service)
        one = self._device(service, device)
        if profile and profile in self._registry.current.profiles:
            raise CommandRejected(409, f"profile name {profile} is duplicated")
        if self._busy(device):
            raise CommandRejected(409, f"Another profile scan process for {device} is currently running")
        if sum(run.state == "running" for run in self.scans.values()) >= MOST_SCANS:
            raise CommandRejected(429, f"{MOST_SCANS} devices are being scanned; no more at once")
        profile = profile or f"{device}_profile_{self._clock.now() // 1_000_000}"
        try:
            scan = protocol.scan(one, profile, options, self._clock)
        except ConfigError as error:
            raise CommandRejected(400, str(error)) from None
        run = Run(device, request, profile)
        self.scans.pop(device, None)
        for old in list(self.scans)[: max(0, len(self.scans) - MOST_KEPT + 1)]:
            self.scans.pop(old)
        self.scans[device] = run
        run.task = asyncio.create_task(self._attend(run, self._scan(run, scan)), name=f"scan {device}")

    def stop_scan(self, service: str, device: str) -> None:
        """Ends a scan; without one nothing happens. Raises CommandRejected: 404, 501."""
        self._scanner(service)
        self._device(service, device)
        if self._busy(device):
            _stop(self.scans[device])

    def discover(self, service: str, request: str) -> None:
        """Begins to look at the places of the settings; goes on if it is running. Raises CommandRejected: 501, 503."""
        places = self._places.get(service, ())
        if not places:
            raise CommandRejected(503, "device discovery disabled")
        protocol = self._discoverer(service, "protocolDiscovery not implemented")
        if service in self.discoveries and self.discoveries[service].state == "running":
            return
        run = self.discoveries[service] = Run(service, request)
        self.found[service] = {}
        run.task = asyncio.create_task(self._attend(run, self._look(run, protocol, places)), name=f"discover {service}")

    def stop_discovery(self, service: str, request: str = "") -> None:
        """Ends a discovery; without one nothing happens. Raises CommandRejected: 404 it has another id, 501."""
        self._discoverer(service, "Stop device discovery is not implemented")
        run = self.discoveries.get(service)
        running = run is not None and run.state == "running"
        if request and (not running or run is None or run.request != request):
            raise CommandRejected(404, f"no device discovery with request id {request} is running")
        if run is not None and running:
            _stop(run)

    async def close(self) -> None:
        """Ends everything."""
        tasks = [run.task for run in (*self.scans.values(), *self.discoveries.values()) if run.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _busy(self, device: str) -> bool:
        return device in self.scans and self.scans[device].state == "running"

    def _scanner(self, service: str) -> Scans:
        protocol = self._protocols.by_service(service)
        if not isinstance(protocol, Scans):
            raise CommandRejected(501, "Profile scan is not implemented")
        return protocol

    def _discoverer(self, service: str, refusal: str) -> Discovers:
        protocol = self._protocols.by_service(service)
        if not isinstance(protocol, Discovers):
            raise CommandRejected(501, refusal)
        return protocol

    def _device(self, service: str, name: str) -> Device:
        device = self._registry.current.devices.get(name)
        if device is None or self._protocols.of(device).service != service:
            raise CommandRejected(404, f"device {name} not found")
        return device

    async def _attend(self, run: Run, work: Coroutine[Any, Any, None]) -> None:
        """Notes how it ended."""
        try:
            await work
            run.state = "done"
        except asyncio.CancelledError:
            run.state = "stopped"
            raise
        except GatewayError as error:
            run.state, run.reason = "failed", str(error)
            log.warning("looking at %s failed: %s", run.name, error)
        except Exception:
            run.state, run.reason = "failed", "by our own fault; the log has the details"
            log.exception("looking at %s failed by our own fault", run.name)

    async def _scan(self, run: Run, scan: Scan) -> None:
        run.said = lambda: scan.progress
        try:
            await scan.run()
        finally:
            progress = scan.progress
            run.said = lambda: progress  # a scan holds all that it has seen
        made, run.notes = await asyncio.to_thread(scan.describe)  # of very many nodes it takes a second
        if not made.device_resources:
            raise ConfigError(f"nothing was found that a profile could hold; {scan.progress}")
        await self._registry.change(_taking(run.name, made))
        many = len(made.device_resources)
        log.info("%s has the profile %s now: %d resource%s", run.name, made.name, many, "s" * (many > 1))

    async def _look(self, run: Run, protocol: Discovers, places: Sequence[str]) -> None:
        failed = []
        for place in places:
            try:
                devices = await protocol.discover(place, self._clock)
            except GatewayError as error:
                failed.append(str(error))
                continue
            self.found[run.name].update({device.name: device for device in devices})
        run.reason = "; ".join(failed)
        if failed and not self.found[run.name]:
            raise ConfigError(run.reason)


def _stop(run: Run) -> None:
    run.state = "stopped"
    if run.task is not None:
        run.task.cancel()


def _taking(name: str, profile: DeviceProfile) -> Callable[[Configuration], Configuration]:
    """The profile is added, and is the device's; its own autoEvents stay where the profile has their sources, as EdgeX
    does it (contract, section 2)."""

    def edit(current: Configuration) -> Configuration:
        device = current.devices.get(name)
        if device is None:
            raise ConfigError(f"device {name} was removed while it was scanned")
        if profile.name in current.profiles:
            raise ConfigError(f"profile name {profile.name} is duplicated")
        known = {one.name for one in profile.device_commands} | {one.name for one in profile.device_resources}
        events = [event for event in device.auto_events or () if event.source_name in known]
        changed = {"profile_name": profile.name, "auto_events": events or None}
        return current.with_profiles([profile]).with_devices([device.model_copy(update=changed)])

    return edit
