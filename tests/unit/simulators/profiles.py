"""Profiles made in a test, and short words for PDUs."""

from gateway.model.load import load_profile
from gateway.model.profile import DeviceProfile

HEAD = "name: Test\nmanufacturer: Maker\nmodel: M1\ndeviceResources:\n"


def resource(name: str, attributes: str, properties: str) -> str:
    """One resource, attributes and properties as flow mappings without braces."""
    return f"  - {{name: {name}, attributes: {{{attributes}}}, properties: {{{properties}}}}}\n"


def profile(*resources: str, tail: str = "") -> DeviceProfile:
    return load_profile(HEAD + "".join(resources) + tail, "test.yaml").value


HOLDING = "primaryTable: HOLDING_REGISTERS, startingAddress: "
INPUT = "primaryTable: INPUT_REGISTERS, startingAddress: "
COIL = "primaryTable: COILS, startingAddress: "


def pdu(text: str) -> bytes:
    """`03 0000 0002` → bytes."""
    return bytes.fromhex(text)
