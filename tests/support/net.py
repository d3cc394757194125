"""A network of our own: the test and its gateway on one side, each device alone behind a cable, in network namespaces.

Nothing of the machine's own network is touched. Cables are cut and mended with nftables at the device's end.
"""

import ctypes
import os
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.support.peers import lacking, need

PORT = 502
_LIBC = ctypes.CDLL(None, use_errno=True)


class Net:
    """`192.0.2.N` (TEST-NET-1) is the N-th device; the gateway is at 198.51.100.N on that cable."""

    def __init__(self, devices: int) -> None:
        self._ip, self._nft = need("ip"), need("nft")
        self.here = f"southgate-{os.getpid()}"
        self.devices = [f"{self.here}-{number}" for number in range(1, devices + 1)]

    def make(self) -> None:
        """Raises CalledProcessError where namespaces cannot be had."""
        for name in (self.here, *self.devices):
            self._run(self._ip, "netns", "add", name)
            self._run(self._ip, "-n", name, "link", "set", "lo", "up")
        for number, name in enumerate(self.devices, 1):
            cable = f"cable{number}"
            self._run(
                *(self._ip, "link", "add", cable, "netns", self.here),
                *("type", "veth", "peer", "name", "cable", "netns", name),
            )
            self._address(self.here, cable, f"198.51.100.{number}", f"192.0.2.{number}")
            self._address(name, "cable", f"192.0.2.{number}", f"198.51.100.{number}")
            self._run(*self.inside(number), self._nft, "add", "table", "inet", "cable")

    def _address(self, name: str, link: str, own: str, peer: str) -> None:
        self._run(self._ip, "-n", name, "addr", "add", own, "peer", f"{peer}/32", "dev", link)
        self._run(self._ip, "-n", name, "link", "set", link, "up")

    def inside(self, number: int) -> Sequence[str]:
        """What a command begins with that is to run at a device."""
        return self._ip, "netns", "exec", self.devices[number - 1]

    def cut(self, number: int) -> None:
        """From now on no packet comes through; nobody is told."""
        self._rule(number, "drop")

    def reset(self, number: int) -> None:
        """Every packet to the device is answered with a reset."""
        self._rule(number, f"tcp dport {PORT} reject with tcp reset")

    def _rule(self, number: int, what: str) -> None:
        self.mend(number)
        hook = "add chain inet cable in { type filter hook input priority 0; }"
        self._run(*self.inside(number), self._nft, f"{hook}\nadd rule inet cable in {what}")

    def mend(self, number: int) -> None:
        """As it was."""
        self._run(*self.inside(number), self._nft, "delete table inet cable\nadd table inet cable")

    def remove(self) -> None:
        for name in (self.here, *self.devices):
            subprocess.run([self._ip, "netns", "del", name], capture_output=True, check=False)

    @contextmanager
    def entered(self) -> Iterator[None]:
        """This thread, and what it starts, is on the gateway's side."""
        with Path("/proc/thread-self/ns/net").open() as before, Path("/run/netns", self.here).open() as here:
            _enter(here.fileno())
            try:
                yield
            finally:
                _enter(before.fileno())

    def _run(self, *command: str) -> None:
        subprocess.run(command, capture_output=True, check=True, text=True)


def _enter(file: int) -> None:
    """`os.setns` is not there before Python 3.12."""
    if _LIBC.setns(file, 0):
        raise OSError(ctypes.get_errno(), "setns")


@contextmanager
def network(devices: int) -> Iterator[Net]:
    """Skips where there are no namespaces to be had (fails on CI)."""
    net = Net(devices)
    if os.geteuid() != 0:
        lacking("network namespaces need root")
    try:
        try:
            net.make()
        except subprocess.CalledProcessError as error:
            lacking(f"network namespaces cannot be had here: {error.stderr.strip()}")
        with net.entered():
            yield net
    finally:
        net.remove()
