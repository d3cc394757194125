"""What tests of importers need: one call, and proof that the result runs."""

from pathlib import Path
from typing import Any

from gateway.cli.offline import plan_settings
from gateway.config import GatewaySettings
from gateway.importers import importer
from gateway.importers.draft import file_name
from gateway.importers.report import Imported
from gateway.importers.wishes import Wishes
from gateway.model.dump import dump_devices, dump_profile, edgex_json


def carry(name: str, text: str | bytes, **wishes: Any) -> Imported:
    """A file of `name`'s format through its importer."""
    raw = text if isinstance(text, bytes) else text.encode()
    return importer(name).read(raw, "given", Wishes(**wishes))


def resources(imported: Imported) -> dict[str, dict[str, Any]]:
    """Resource → its properties and attributes in one mapping."""
    found = {}
    for profile in imported.profiles:
        for resource in profile.device_resources:
            tree = edgex_json(resource)
            found[resource.name] = tree["properties"] | tree.get("attributes", {})
    return found


def lefts(imported: Imported) -> list[str]:
    """What was left out, as people read it."""
    return [f"{problem.line}: {problem.where}: {problem.what}" for problem in imported.report.lefts()]


def runs(imported: Imported, folder: Path) -> int:
    """Writes the files, has them checked and planned as `southgate check` does, and gives the number of requests."""
    profiles, devices = folder / "profiles", folder / "devices"
    for made in (profiles, devices):
        made.mkdir(parents=True)
    for profile in imported.profiles:
        (profiles / f"{file_name(profile.name)}.yaml").write_text(dump_profile(profile), "utf-8")
    (devices / "all.yaml").write_text(dump_devices(imported.devices), "utf-8")
    planned, problems = plan_settings(GatewaySettings(profiles=[profiles], devices=devices, data=folder / "data"))
    assert [problem for problem in problems if problem.severity == "error"] == []
    assert len(planned) == len(imported.devices)
    return sum(len(poll.plan.requests) for device in planned for poll in device.polls)
