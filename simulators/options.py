"""What `southgate simulate` does, apart from reading its arguments."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gateway.model.contracts import Clock
from gateway.model.errors import ConfigError
from simulators.world import Running, World, serve
from simulators.worldfile import ServerEntry


@dataclass(frozen=True, slots=True)
class SimulateOptions:
    """The options of the command line."""

    profiles: tuple[str, ...] = ()
    """Profile files or names of shipped profiles; alternatively `world`."""
    world: Path | None = None
    """A world file."""
    port: int = 0
    """First TCP port; 0 is any free one."""
    unit: int = 1
    rtu: bool = False
    """On one serial line over a pty instead of TCP."""
    count: int = 1
    """Devices of every profile."""
    delay: float = 0.0
    """Seconds that every answer takes."""
    faults: tuple[str, ...] = ()
    """As `Served.afflict` takes them, for every device."""
    seed: int = 0
    policies: tuple[str, ...] = ()
    """Of OPC UA servers; none: all that are not broken."""
    users: Mapping[str, str] = field(default_factory=dict)
    """Of OPC UA servers, password by name; nobody else is let in then."""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    """Values for parameters of the profiles; a list has one for each of `count`."""
    devices: Path | None = None
    """Writes a device list that points at what is served."""


async def run(
    options: SimulateOptions, clock: Clock | None = None, ready: Callable[[Running], None] | None = None
) -> None:
    """Serves until cancelled, and calls `ready` once everything answers. Raises ConfigError."""
    async with serve(_world(options), clock) as running:
        _afflict(running, options)
        if options.devices:
            await asyncio.to_thread(_write_all, options.devices, running)
        if ready:
            ready(running)
        await asyncio.Event().wait()


def _write_all(path: Path, running: Running) -> None:
    """The device list, and beside it the secrets that it names."""
    _write(path, running.device_list(path.parent))
    for served in running.devices.values():
        for name, text in served.secrets.items():
            _write(path.parent / name, text, mode=0o600)


def _write(path: Path, text: str, mode: int = 0o644) -> None:
    try:
        if not path.is_absolute():  # `devices/simulated.yaml` in a new folder; elsewhere it is rather a slip
            path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode)
        path.write_text(text, "utf-8")
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written: {error.strerror}") from None


def _world(options: SimulateOptions) -> World:
    if options.world and options.profiles:
        raise ConfigError("give profiles or a world file, not both")
    if options.world:
        return World.from_file(options.world)
    if not options.profiles:
        raise ConfigError("nothing to simulate: give a profile (southgate simulate eastron-sdm630) or a world file")
    return World.from_profiles(
        options.profiles,
        count=options.count,
        port=options.port,
        unit=options.unit,
        rtu=options.rtu,
        seed=options.seed,
        opcua=_server(options),
        parameters=options.parameters,
    )


def _server(options: SimulateOptions) -> ServerEntry:
    own = {"policies": list(options.policies)} if options.policies else {}
    return ServerEntry.model_validate({**own, "users": dict(options.users), "anonymous": not options.users})


def _afflict(running: Running, options: SimulateOptions) -> None:
    """Every device suffers the faults of the options beside those of its own."""
    for served in running.devices.values():
        for text in options.faults:
            served.afflict(text)
        if options.delay:
            served.fault(delay=options.delay)
