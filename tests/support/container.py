"""The container image, built and run without a registry and without a daemon: buildah and podman over a base image
made of the machine's own Debian mirror.

The base and all layers are kept in `~/.cache/southgate-tests` (or under $XDG_CACHE_HOME), so that only the first run
is slow; that folder may be removed at any time.
"""

import ast
import asyncio
import contextlib
import fcntl
import hashlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.peers import need

BASE = "localhost/python:3.11-slim"
"""Stands in for the official image of that name: Debian's own Python at the paths where the official one has it."""
RECIPE = (
    "--variant=minbase",
    "--include=python3,python3-venv,ca-certificates",
    "--dpkgopt=path-exclude=/usr/share/doc/*",
    "--dpkgopt=path-exclude=/usr/share/man/*",
    "--dpkgopt=path-exclude=/usr/share/locale/*",
    '--customize-hook=ln -s /usr/bin/python3 "$1/usr/local/bin/python"',
    '--customize-hook=ln -s /usr/bin/python3 "$1/usr/local/bin/python3"',
)
PODMAN = ("podman", "--runtime", "runc", "--cgroup-manager", "cgroupfs")
"""crun refuses a machine with both kinds of cgroups; runc and cgroupfs work everywhere."""
LIMITS = ("--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024")
"""Without them podman raises its limits, which a container that runs the tests may not do."""
BUILDAH = ("--layers", "--isolation=chroot", "--pull=never", "--network=host", "--format=docker")
OF_RUN = {
    "network_mode": "network",
    "read_only": "read-only",
    "tmpfs": "tmpfs",
    "cap_drop": "cap-drop",
    "security_opt": "security-opt",
}
"""Keys of a compose file and the options of podman run that say the same."""
NOT_OF_RUN = {"image", "build", "depends_on", "restart", "stop_grace_period"}
CERTIFICATES = Path("/etc/ssl/certs")
WHERE_FROM = ("index-url", "extra-index-url", "find-links", "no-index", "trusted-host", "proxy", "cert")
"""Settings of pip that say where packages come from: those of this machine hold inside the build, too."""
STATE = "{{.State.Status}} {{.State.ExitCode}}"
BUILD_S = 300.0
ANSWER_S = 60.0


@dataclass(frozen=True, slots=True)
class Image:
    """A built image."""

    name: str
    environment: Mapping[str, str]
    size: int
    """Bytes, with the base."""
    own_size: int
    """Bytes of the layers above the base."""
    config: Mapping[str, Any]
    """What the Dockerfile says of running it: User, Entrypoint, Healthcheck …"""


class Container:
    """A running container."""

    def __init__(self, name: str, environment: Mapping[str, str]) -> None:
        self.name = name
        self._environment = environment

    async def exec(self, *command: str, **environment: str) -> tuple[int, str]:
        """Exit code and output of a command inside."""
        variables = [word for key, value in environment.items() for word in ("--env", f"{key}={value}")]
        return await self.podman("exec", *variables, self.name, *command)

    async def stop(self, seconds: int) -> int:
        """As `docker stop` does: SIGTERM, and SIGKILL after so many seconds. The program's exit code."""
        await self._must("stop", "--time", str(seconds), self.name)
        return await self.ended()

    async def ended(self) -> int:
        """The exit code, when the program has ended by itself. (`podman wait` can take 20 s to notice.)"""
        async with asyncio.timeout(ANSWER_S):
            while (state := (await self._must("inspect", "--format", STATE, self.name)).split())[0] == "running":
                pass
        return int(state[1])

    async def logs(self) -> str:
        """What it has written so far."""
        return (await self.podman("logs", self.name))[1]

    async def _must(self, *arguments: str) -> str:
        code, text = await self.podman(*arguments)
        assert code == 0, f"podman {' '.join(arguments)}: {text}\n{await self.logs()}"
        return text.splitlines()[-1]

    async def podman(self, *arguments: str) -> tuple[int, str]:
        """Exit code and output."""
        process = await asyncio.create_subprocess_exec(
            *PODMAN, *arguments, env=dict(self._environment),
            stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        async with asyncio.timeout(ANSWER_S):
            output, _ = await process.communicate()
        assert process.returncode is not None
        return process.returncode, output.decode("utf-8", "replace")


@contextlib.asynccontextmanager
async def running(
    image: Image, name: str, options: Sequence[str], arguments: Sequence[str] = ()
) -> AsyncIterator[Container]:
    """The image, run with these options and removed at the end. A test that fails shows what it wrote."""
    container = Container(name, image.environment)
    code, text = await container.podman(
        "run", "--detach", "--name", name, "--no-healthcheck", *LIMITS, *options, image.name, *arguments,
    )  # fmt: skip
    try:
        assert code == 0, text
        yield container
    except BaseException:
        print(await container.logs())
        raise
    finally:
        await container.podman("rm", "--force", "--volumes", "--time", "0", name)


def composed(file: Path, settings: Path, kept: Path) -> list[str]:
    """podman's options for what a compose file says of its gateway, with these on its two mounts. Fails for a key that
    has no place here."""
    service = yaml.safe_load(file.read_text("utf-8"))["services"]["gateway"]
    places = {"/etc/southgate/gateway.yaml": settings, "/var/lib/southgate": kept}
    options = []
    for key, value in service.items():
        if key == "volumes":
            targets = [volume.split(":", 1)[1] for volume in value]
            options += [f"--volume={places[target.partition(':')[0]]}:{target}" for target in targets]
        elif key not in NOT_OF_RUN:
            values = value if isinstance(value, list) else [value]
            options += [f"--{OF_RUN[key]}={str(one).lower() if one is True else one}" for one in values]
    return options


def build(root: Path, name: str, **arguments: str) -> Image:
    """The image of the Dockerfile in `root`, built with these arguments. Skips (fails on CI) where a program or the
    right to use it is missing."""
    for program in ("buildah", "podman", "runc", "mmdebstrap", "apt-get"):
        need(program)
    if os.geteuid() != 0:
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)("building an image needs root here")
    environment = {**os.environ, "CONTAINERS_STORAGE_CONF": str(_storage() / "storage.conf")}
    with _alone(), tempfile.TemporaryDirectory() as scratch:
        _base(environment)
        given = [word for argument in arguments.items() for word in ("--build-arg", "=".join(argument))]
        mounts = [word for mount in _mounts(Path(scratch)) for word in ("--volume", mount)]
        _call(
            ["buildah", "build", *BUILDAH, *mounts, *given, "--tag", name, str(root)],
            environment,
        )
        _call([*PODMAN, "image", "prune", "--force", "--filter", "until=168h"], environment)
        built, below = _inspect(name, environment), _inspect(BASE, environment)
    return Image(name, environment, built["Size"], built["Size"] - below["Size"], _config(built))


def _config(built: Mapping[str, Any]) -> Mapping[str, Any]:
    return {**built["Config"], "Healthcheck": built.get("Healthcheck") or built["Config"].get("Healthcheck")}


def _storage() -> Path:
    """Folder of all images; another one for another recipe."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    recipe = hashlib.sha256(repr((RECIPE, _mirror())).encode()).hexdigest()[:12]
    folder = cache / "southgate-tests" / f"containers-{recipe}"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "storage.conf").write_text(
        f'[storage]\ndriver = "overlay"\ngraphroot = "{folder}/images"\nrunroot = "{folder}/run"\n'
    )
    return folder


@contextlib.contextmanager
def _alone() -> Iterator[None]:
    """Two test runs at once make one base."""
    with (_storage() / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _base(environment: Mapping[str, str]) -> None:
    known = subprocess.run(
        [*PODMAN, "image", "exists", BASE], check=False, env=environment, capture_output=True, timeout=ANSWER_S
    )
    if known.returncode == 0:
        return
    codename, mirror = _mirror()
    with tempfile.TemporaryDirectory() as scratch:
        archive = f"{scratch}/base.tar"
        _call(["mmdebstrap", "--quiet", *RECIPE, codename, archive, mirror], environment)
        _call([*PODMAN, "import", archive, BASE], environment)


def _mirror() -> tuple[str, str]:
    """Code name of this Debian or Ubuntu and the mirror that its apt uses."""
    columns = "$(ORIGIN) $(CODENAME) $(COMPONENT) $(REPO_URI)"
    found = _call(["apt-get", "indextargets", "--format", columns, "Created-By: Packages"], os.environ)
    release = dict(line.split("=", 1) for line in Path("/etc/os-release").read_text().splitlines() if "=" in line)
    codename = release.get("VERSION_CODENAME", "").strip('"')
    for line in found.splitlines():
        origin, suite, component, uri = line.split(" ", 3)
        if origin in ("Debian", "Ubuntu") and suite == codename and component == "main":
            return codename, uri
    raise AssertionError(f"apt knows no mirror of {codename or 'this system'}; run apt-get update")


def _mounts(scratch: Path) -> list[str]:
    """What of this machine the build sees, read-only: certificates, pip's settings and the folders those name."""
    settings = _pip_settings()
    (scratch / "pip.conf").write_text(
        "[global]\n" + "".join(f"{key} = {' '.join(value.split())}\n" for key, value in settings.items())
    )
    named = {Path(word) for value in settings.values() for word in value.split() if word.startswith("/")}
    folders = {CERTIFICATES, *(path for path in named if not path.is_relative_to(CERTIFICATES))}
    return [f"{scratch}/pip.conf:/etc/pip.conf:ro", *(f"{path}:{path}:ro" for path in sorted(folders) if path.exists())]


def _pip_settings() -> dict[str, str]:
    """Those of WHERE_FROM, from files and environment; the environment wins."""
    listed = _call([sys.executable, "-m", "pip", "config", "list"], os.environ)
    settings: dict[str, str] = {}
    for section in ("global.", "install.", ":env:."):
        for line in listed.splitlines():
            key, _, value = line.partition("=")
            if key.startswith(section) and key.removeprefix(section) in WHERE_FROM:
                settings[key.removeprefix(section)] = str(ast.literal_eval(value))
    return settings


def _inspect(name: str, environment: Mapping[str, str]) -> dict[str, Any]:
    text = _call([*PODMAN, "image", "inspect", name], environment)
    found: dict[str, Any] = json.loads(text)[0]
    return found


def _call(command: Sequence[str], environment: Mapping[str, str]) -> str:
    """Standard output. A command that fails shows the end of what it said."""
    done = subprocess.run(command, check=False, env=environment, capture_output=True, text=True, timeout=BUILD_S)
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return done.stdout
