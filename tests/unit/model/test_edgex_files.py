"""EdgeX's own sample files, where they lie beside the repository; and hand-written twins of their kinds, everywhere."""

from pathlib import Path

import pytest

from gateway.model.dump import dump_devices, dump_profile
from gateway.model.errors import ConfigError
from gateway.model.load import load_devices, load_profile

TWINS = Path(__file__).parent / "data" / "edgex"
SAMPLES = Path(__file__).parents[4] / "shared" / "data" / "edgex"
REFUSED = {
    TWINS / "refuse-version-1.yaml": "bad valueType; bad readWrite",
    TWINS / "refuse-version-1-commands.yaml": "bad valueType; bad readWrite; resourceOperations empty",
}


def lines(name: str) -> list[str]:
    path = SAMPLES / name
    return sorted(set(path.read_text(encoding="utf-8").splitlines())) if path.exists() else []


def name_of(path: object) -> str | None:
    return path.name if isinstance(path, Path) else None


@pytest.mark.parametrize(
    "path",
    [*sorted(TWINS.glob("accept-*")), *(SAMPLES / name for name in lines("MUST_ACCEPT_profiles.txt"))],
    ids=name_of,
)
def test_accepted_and_written_back_equal(path: Path) -> None:
    loaded = load_profile(path.read_bytes(), path.name)
    assert loaded.value.device_resources
    assert load_profile(dump_profile(loaded.value), "written.yaml", strict=True).value == loaded.value


@pytest.mark.parametrize(
    ("path", "reasons"),
    [*REFUSED.items(), *((SAMPLES / n, r) for n, _, r in (line.partition(": ") for line in lines("MUST_REJECT.txt")))],
    ids=name_of,
)
def test_refused_for_every_reason_given(path: Path, reasons: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_profile(path.read_bytes(), path.name)
    said = str(caught.value)
    for reason in reasons.split("; "):
        key = next(key for key in ("valueType", "readWrite", "resourceOperations") if key in reason)
        assert f"{key}: is required" in said


@pytest.mark.parametrize(
    "path", [*sorted(TWINS.glob("devices-*")), *sorted(SAMPLES.rglob("devices/*.y*ml"))], ids=name_of
)
def test_device_lists(path: Path) -> None:
    loaded = load_devices(path.read_bytes(), path.name)
    assert loaded.value
    assert load_devices(dump_devices(loaded.value), "written.yaml", strict=True).value == loaded.value


def test_there_are_twins_of_every_kind() -> None:
    kinds = [path.name.partition("-")[0] for path in TWINS.iterdir()]
    assert {kind: kinds.count(kind) for kind in kinds} == {"accept": 3, "refuse": len(REFUSED), "devices": 2}
