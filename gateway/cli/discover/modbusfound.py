"""What a scan found, as people and files take it: one line each, profiles, a device list."""

import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

from gateway.cli.discover.writing import write
from gateway.model.device import AutoEvent, Device
from gateway.model.dump import dump_devices
from gateway.model.load import load_profile
from gateway.model.profile import DeviceProfile
from gateway.model.template import by_default
from mappers import Switchboard
from mappers.modbus.discovery.describe import Description, describe, profile_name
from mappers.modbus.discovery.scan import Found
from simulators.devicelist import sources
from simulators.library import shipped

INTERVAL = "10s"
"""How often a shipped profile's values are read, for a start."""
MANY = 5
"""Units of one place that say the same of themselves, from which on it is worth a word."""
HEAD = """# Found by southgate discover modbus, {when}. Give the devices names of your own; then `southgate check`.
"""


@lru_cache(maxsize=1)
def library() -> tuple[DeviceProfile, ...]:
    """The shipped profiles of Modbus devices, as they are for a device that gives no parameters."""
    loaded = [by_default(load_profile(entry.read_bytes(), entry.name).value) for entry in shipped()]
    modbus = Switchboard().by_service("device-modbus")
    return tuple(profile for profile in loaded if profile is not None and modbus.recognises(profile))


def line_of(found: Found) -> str:
    """`192.168.1.5:502 unit 1: Fronius Symo; SunSpec 1, 113; Fronius-Symo-SunSpec-113 (it says that it is …)`."""
    parts = [found.identification.text if found.identification else f"answers with {found.answer}"]
    if found.chain is not None:
        who = " ".join(text for name in ("Mn", "Md", "SN") if (text := found.chain.common(name)))
        parts.append(f"SunSpec {', '.join(str(m.id) for m in found.chain.models)} ({who})")
    if found.suggestions:
        best = found.suggestions[0]
        parts.append(f"{'is' if best.sure else 'may be'} {best.profile} ({'; '.join(best.reasons)})")
    frames = " in RTU frames" if found.place.properties.get("Framing") == "rtu" else ""
    return f"{found.place.shown} unit {found.unit}{frames}: {'; '.join(parts)}"


class Findings:
    """All of it, with names given: equal SunSpec devices share a profile."""

    def __init__(self, found: Sequence[Found], writable: bool) -> None:
        self.found = sorted(found, key=lambda one: (one.place.key, _in_order(one.place.shown), one.unit))
        self.profiles: dict[str, str] = {}
        """Name → YAML, of what was written here."""
        self._when = datetime.now(UTC).strftime("%Y-%m-%d")
        self._taken = {profile.name for profile in library()}
        self._described: dict[int, Description] = {}
        self._names: dict[int, str] = {}
        seen: Counter[str] = Counter()
        for one in self.found:
            name = _name(one)
            seen[name] += 1
            self._names[id(one)] = name if seen[name] == 1 else f"{name}-{seen[name]}"
            if one.chain is not None and one.chain.models:
                self._described[id(one)] = self._describe(one, writable)

    def _describe(self, found: Found, writable: bool) -> Description:
        assert found.chain is not None
        base = name = profile_name(found.chain)
        made = describe(found.chain, name, writable)
        known = [d for d in self._described.values() if _same(d, made)]
        if known:
            return known[0]
        number = 2
        while name in self._taken:
            name, number = f"{base}-{number}", number + 1
        self._taken.add(name)
        made = describe(found.chain, name, writable)
        self.profiles[name] = made.text(f"{found.place.shown} unit {found.unit}", self._when)
        return made

    def name(self, found: Found) -> str:
        """Of the device: what it is and where, so that it is the same at the next discovery."""
        return self._names[id(found)]

    def profile(self, found: Found) -> str:
        """Which profile it gets; empty where none is sure."""
        described = self._described.get(id(found))
        if described is not None:
            return described.profile.name
        return next((s.profile for s in found.suggestions if s.sure), "")

    def remarks(self, found: Found) -> list[str]:
        """What is worth saying beyond the one line."""
        said = [f"may be {s.profile}: {'; '.join(s.reasons)}" for s in found.suggestions[1:]]
        if found.chain is not None:
            said += [f"SunSpec: {problem}" for problem in found.chain.problems]
            unknown = [str(m.id) for m in found.chain.models if m.layout is None]
            said += [f"SunSpec models {', '.join(unknown)} are present and not described"] if unknown else []
        if not found.complete:
            said.append("not everything was asked: the scan or the connection ended before")
        return said

    def alike(self) -> list[str]:
        """Places where many units say the same: one device may answer to all of them."""
        by_place: dict[tuple[str, str], list[int]] = defaultdict(list)
        for one in self.found:
            serial = one.chain.common("SN") if one.chain is not None else ""
            if one.place.key == "modbus-tcp" and (one.identification is not None or serial):
                text = one.identification.text if one.identification is not None else ""
                by_place[one.place.shown, f"{text} {serial}".strip()].append(one.unit)
        return [
            f"{place}: {len(units)} units say that they are {text}: like devices behind a gateway, or one device that "
            f"answers to every unit id; then keep unit {units[0]} only"
            for (place, text), units in by_place.items()
            if len(units) >= MANY
        ]

    @property
    def devices(self) -> str:
        """The device list, YAML. Who has no sure profile stands in it as a comment."""
        named = [self._device(one) for one in self.found if self.profile(one)]
        text = HEAD.format(when=self._when) + dump_devices(named)
        for one in self.found:
            if not self.profile(one):
                text += self._comment(one)
        return text

    def _device(self, found: Found) -> Device:
        profile = self.profile(found)
        device = found.place.device(self.name(found), found.unit, profile)
        described = self._described.get(id(found))
        if described is not None:
            intervals: Mapping[str, str] = described.intervals
        else:
            shipped_profile = next(p for p in library() if p.name == profile)
            intervals = dict.fromkeys(sources(shipped_profile), INTERVAL)
        events = [AutoEvent(source_name=name, interval=every) for name, every in intervals.items()]
        protocols = {key: {**given, "Timeout": 1} for key, given in device.protocols.items()}
        return device.model_copy(update={"auto_events": events, "protocols": protocols})

    def _comment(self, found: Found) -> str:
        guesses = [f"#   may be {s.profile}: {'; '.join(s.reasons)}" for s in found.suggestions]
        lines = [f"# {line_of(found)}", *guesses, "#   no profile is sure, so it is not in the list:"]
        entry = dump_devices([found.place.device(self.name(found), found.unit, "WHICH-PROFILE")])
        lines += [f"#{line}" for line in entry.splitlines()[1:]]
        return "".join(f"{line}\n" for line in lines)

    def write(self, folder: Path) -> list[str]:
        """Files that were written. Raises ConfigError when one is there already or cannot be written."""
        return write(folder, self.profiles, self.devices)

    def json(self) -> list[dict[str, Any]]:
        return [self._json(one) for one in self.found]

    def _json(self, found: Found) -> dict[str, Any]:
        chain = found.chain
        return {
            "place": found.place.shown,
            "unit": found.unit,
            "name": self.name(found),
            "protocols": {found.place.key: {**found.place.properties, "UnitID": found.unit}},
            "answer": found.answer,
            "identification": dict(_named(found)) if found.identification else None,
            "sunspec": None if chain is None else {
                "base": chain.base,
                "manufacturer": chain.common("Mn"), "model": chain.common("Md"), "serial": chain.common("SN"),
                "models": [{"id": m.id, "address": m.address, "length": m.length, "described": m.layout is not None}
                           for m in chain.models],
                "problems": list(chain.problems),
            },
            "suggestions": [{"profile": s.profile, "sure": s.sure, "reasons": list(s.reasons)}
                            for s in found.suggestions],
            "profile": self.profile(found) or None,
            "complete": found.complete,
        }  # fmt: skip


def _named(found: Found) -> list[tuple[str, str]]:
    from mappers.modbus.discovery.identify import OBJECTS

    assert found.identification is not None
    return [(OBJECTS[number], text) for number, text in found.identification.objects.items()]


def _same(one: Description, other: Description) -> bool:
    """But for their names."""
    return one.profile.model_copy(update={"name": other.profile.name}) == other.profile and one.notes == other.notes


def _name(found: Found) -> str:
    kind = _slug(next(iter(found.names), "")) or "modbus"
    return f"{kind}-{_slug(found.place.shown.split()[0].removesuffix(':502'))}-{found.unit}"


def _slug(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9.]+", "-", text).strip("-.")[:40].lower()


def _in_order(text: str) -> list[tuple[int, str]]:
    """192.168.1.9 before 192.168.1.10."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", text)]
