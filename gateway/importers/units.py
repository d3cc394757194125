"""Devices in the making, and many of one kind: units with equal registers share one profile."""

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from gateway.importers.draft import Draft, clean
from gateway.importers.report import Imported, Report
from gateway.model.device import Device
from gateway.model.said import said
from mappers.modbus.line.connection import examine

COMFORTS = ("Timeout", "ConnectDelay", "RequestDelay", "CloseAfterCycle", "BusyRetries", "MaxGap", "MaxRegisters")
"""Protocol properties without which a device is still the same device."""


def finish(
    imported: Imported, draft: Draft, device: str, protocols: Mapping[str, Mapping[str, Any]], line: int = 0
) -> None:
    """The profile of a draft and its device into the result. A profile that only differs in its name from one that is
    there is not made again. Without protocols there is no device."""
    profile = draft.profile()
    if profile is None:
        draft.report.left(
            draft.name, "no value of it could be carried over, so there is neither profile nor device", line
        )
        return
    equal = next((p for p in imported.profiles if p.model_copy(update={"name": profile.name}) == profile), None)
    if equal is None:
        taken = {p.name for p in imported.profiles}
        profile = profile.model_copy(update={"name": _free(profile.name, taken)})
        imported.profiles.append(profile)
    if not protocols:
        return
    used = equal or profile
    tree = {
        "name": _free(clean(device) or used.name, {d.name for d in imported.devices}),
        "profileName": used.name,
        "protocols": {key: dict(value) for key, value in protocols.items()},
        "autoEvents": draft.events(),
    }
    made = make_device(tree, draft.report, line)
    if made is not None:
        imported.devices.append(made)


def _free(name: str, taken: set[str]) -> str:
    return name if name not in taken else next(f for n in range(2, len(taken) + 3) if (f := f"{name}-{n}") not in taken)


def make_device(tree: dict[str, Any], report: Report, line: int = 0) -> Device | None:
    """The device; None, and why, when it could not run. What it can do without is taken out, and said."""
    where = f"device {tree['name']}"
    try:
        device = Device.model_validate(tree)
    except ValidationError as error:
        for one in error.errors(include_url=False):
            path, what = said(one)
            report.left(where, f"{'.'.join(map(str, path))}: {what}", line)
        return None
    errors = [problem for problem in examine(device)[1] if problem.severity == "error"]
    for problem in errors:
        key = problem.where.rpartition(".")[2]
        report.left(where, f"{problem.where}: {problem.what}", line)
        if key in COMFORTS:
            tree["protocols"] = {name: _without(value, key) for name, value in tree["protocols"].items()}
    if not errors:
        for problem in examine(device)[1]:
            report.note(where, f"{problem.where}: {problem.what}", line)
        return device
    device = Device.model_validate(tree)
    return None if any(problem.severity == "error" for problem in examine(device)[1]) else device


def _without(properties: Mapping[str, Any], key: str) -> dict[str, Any]:
    return {name: value for name, value in properties.items() if name != key}


def ask_for_address(report: Report) -> None:
    """Said where the format names no device and nobody else did."""
    what = "the file does not say where the device is, so there is no device list; --address 192.168.1.5 makes one"
    report.note("", what)
