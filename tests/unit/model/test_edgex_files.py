"""EdgeX's own sample files, where they lie beside the repository."""

from pathlib import Path

import pytest

from gateway.model.dump import dump_devices, dump_profile
from gateway.model.errors import ConfigError
from gateway.model.load import load_devices, load_profile

SAMPLES = Path(__file__).parents[4] / "shared" / "data" / "edgex"
pytestmark = pytest.mark.skipif(not SAMPLES.is_dir(), reason="EdgeX's sample files are not beside the repository")


def lines(name: str) -> list[str]:
    path = SAMPLES / name
    return sorted(set(path.read_text(encoding="utf-8").splitlines())) if path.exists() else []


@pytest.mark.parametrize("name", lines("MUST_ACCEPT_profiles.txt"))
def test_accepted_and_written_back_equal(name: str) -> None:
    loaded = load_profile((SAMPLES / name).read_bytes(), name)
    assert loaded.value.device_resources
    assert load_profile(dump_profile(loaded.value), "written.yaml", strict=True).value == loaded.value


@pytest.mark.parametrize("line", lines("MUST_REJECT.txt"))
def test_refused_for_every_reason_given(line: str) -> None:
    name, _, reasons = line.partition(": ")
    with pytest.raises(ConfigError) as caught:
        load_profile((SAMPLES / name).read_bytes(), name)
    said = str(caught.value)
    for reason in reasons.split("; "):
        key = next(key for key in ("valueType", "readWrite", "resourceOperations") if key in reason)
        assert f"{key}: is required" in said


@pytest.mark.parametrize("path", sorted(SAMPLES.rglob("devices/*.y*ml")), ids=lambda path: path.name)
def test_device_lists(path: Path) -> None:
    loaded = load_devices(path.read_bytes(), path.name)
    assert loaded.value
    assert load_devices(dump_devices(loaded.value), "written.yaml", strict=True).value == loaded.value
