"""What was learned about a device, as lines for its files. Pure."""

from gateway.model.plan import PlannedDevice
from mappers.modbus.point import locate


def advice(planned: PlannedDevice) -> list[str]:
    """One sentence each: where to write what."""
    said = []
    for table, addresses in planned.facts.get("apart", {}).items():
        at = set(addresses)
        for resource in planned.profile.device_resources:
            point, _ = locate(resource, planned.profile.compat)
            if point is not None and point.table.name == table and point.address in at:
                said.append(f"profile {planned.profile.name}, resource {resource.name}: attributes barrier: true")
    for fact, key in (("max_registers", "MaxRegisters"), ("max_bits", "MaxBits")):
        if fact in planned.facts:
            protocol = next(iter(planned.device.protocols))
            said.append(f"device {planned.device.name}: protocols {protocol} {key}: {planned.facts[fact]}")
    return said
