"""A /sys/class/tty and a /dev of our own, with serial adapters to plug in and out."""

import shutil
from pathlib import Path


class Machine:
    """`ttys` stands for /sys/class/tty, `dev` for /dev. All links inside are relative, so that the folders may be
    mounted anywhere."""

    def __init__(self, root: Path) -> None:
        self.ttys = root / "tty"
        self.dev = root / "dev"
        self.ttys.mkdir(parents=True)
        self.dev.mkdir()
        (self.ttys / "ptmx").mkdir()  # no port: it has no device

    def plug(
        self, name: str, adapter: str, socket: str = "1-1", *, channel: str = ":1.0", node: Path | None = None
    ) -> None:
        """`name`: `ttyUSB0`; ttyACM have one folder less. `adapter`: `0403:6001:SERIAL`. `node`: what answers there."""
        vendor, product, *serial = adapter.split(":")
        usb = self.ttys / ".usb" / socket
        device = usb / f"{socket}{channel}" / ("" if "ACM" in name else name)
        device.mkdir(parents=True, exist_ok=True)
        told = {"idVendor": vendor, "idProduct": product, "product": "USB Serial", "manufacturer": "Maker"}
        for file, text in (told | ({"serial": serial[0]} if serial else {})).items():
            (usb / file).write_text(f"{text}\n")
        self._tty(name, Path("..") / device.relative_to(self.ttys), 166 if "ACM" in name else 188)
        if node is not None:
            (self.dev / name).symlink_to(node)

    def built_in(self, name: str, uart: int = 4) -> None:
        """`uart` 0: there is a place for one on the board, and none in it."""
        (self.ttys / ".board").mkdir(exist_ok=True)
        self._tty(name, Path("../.board"), 4)
        (self.ttys / name / "type").write_text(f"{uart}\n")

    def unplug(self, name: str) -> None:
        device = (self.ttys / name / "device").resolve()
        shutil.rmtree(next(folder for folder in (device, *device.parents) if (folder / "idVendor").exists()))
        shutil.rmtree(self.ttys / name)
        (self.dev / name).unlink(missing_ok=True)

    def _tty(self, name: str, device: Path, major: int) -> None:
        entry = self.ttys / name
        entry.mkdir()
        (entry / "device").symlink_to(device)
        (entry / "dev").write_text(f"{major}:0\n")
