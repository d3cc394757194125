"""What the demo shows: one row per value, taken from the gateway's own REST API."""

import asyncio
from dataclasses import dataclass
from typing import Any

from gateway.cli.remote import Remote, segment


@dataclass(frozen=True, slots=True)
class Row:
    """One value of one device."""

    device: str
    resource: str
    value: Any
    units: str
    quality: str
    age_s: float | None
    rate: float | None
    """Reads a second."""
    origin: int


class Rows:
    """Asks a gateway for every value of every device."""

    def __init__(self, remote: Remote) -> None:
        self._remote = remote
        self._units: dict[str, dict[str, str]] = {}

    async def all(self) -> dict[str, list[Row]]:
        """Rows by device, in the order of the profile. Raises NotConnected while the gateway is not up."""
        return await asyncio.to_thread(self._all)

    def _all(self) -> dict[str, list[Row]]:
        flows = self._remote.get("/gateway/api/v1/flows")["flows"]
        devices = [state["device"] for state in self._remote.get("/gateway/api/v1/twin")["devices"]]
        return {device: self._device(device, _rates(device, flows)) for device in devices}

    def _device(self, device: str, rates: dict[float, float]) -> list[Row]:
        found = self._remote.get(f"/gateway/api/v1/twin/{segment(device)}")["values"]
        units = self._units_of(device)
        return [
            Row(
                device=device,
                resource=resource,
                value=row["value"],
                units=units.get(resource, ""),
                quality=" ".join(row["quality"]),
                age_s=row["age_s"],
                rate=rates.get(row["period_s"]),
                origin=row["origin"],
            )
            for resource, row in found.items()
            if row["period_s"] is not None
        ]

    def _units_of(self, device: str) -> dict[str, str]:
        if device not in self._units:
            meta = "/core-metadata/api/v3"
            entry = self._remote.get(f"{meta}/device/name/{segment(device)}")["device"]
            profile = self._remote.get(f"{meta}/deviceprofile/name/{segment(entry['profileName'])}")["profile"]
            self._units[device] = {r["name"]: r["properties"].get("units", "") for r in profile["deviceResources"]}
        return self._units[device]


def _rates(device: str, flows: list[dict[str, Any]]) -> dict[float, float]:
    """Requested period → reads a second that are achieved."""
    return {
        flow["requested_s"]: 1 / flow["achieved_s"] for flow in flows if flow["device"] == device and flow["achieved_s"]
    }
