"""Names: of what rules read and make, and those that are taken."""

from typing import NamedTuple

from gateway.model.names import check_name, decode_name, encode_name

SERVICE = "device-virtual"
"""Of the devices that rules make."""


class Ref(NamedTuple):
    """One resource of one device; of what a rule reads, the device may be a pattern such as `meter-*`."""

    device: str
    resource: str

    def __str__(self) -> str:
        return f"{encode_name(self.device)}/{encode_name(self.resource)}"

    @property
    def many(self) -> bool:
        """Whether the device is a pattern."""
        return any(mark in self.device for mark in "*?[")


def ref(text: str) -> Ref:
    """`device/resource`; a slash in a name is written %2F. Raises ValueError."""
    device, slash, resource = text.partition("/")
    if not slash or "/" in resource:
        raise ValueError(f"{text!r} names no resource; write device/resource (a slash in a name as %2F)")
    return Ref(check_name(decode_name(device)), check_name(decode_name(resource)))
