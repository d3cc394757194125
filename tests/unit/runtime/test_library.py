"""The shipped profiles: their names are known at once, the files read when somebody asks."""

from pathlib import Path

import pytest

from gateway.model.errors import ConfigError
from gateway.runtime.configuration.files import LIBRARY, Folders, files_under
from gateway.runtime.configuration.library import Library
from tests.support.clock import MovingClock
from tests.unit.runtime.registry import House


def test_every_shipped_file_is_found_by_the_name_in_it() -> None:
    files = files_under(LIBRARY)
    library = Library(files)
    assert len(library) == len(files) > 50
    assert [profile.name for profile in library.values()] == list(library)


def test_only_what_is_asked_for_is_read_and_only_once() -> None:
    library = Library(files_under(LIBRARY))
    assert "Eastron-SDM630" in library
    assert "Eastron-SDM6300" not in library
    assert not library.read
    assert library["Eastron-SDM630"] is library.get("Eastron-SDM630") is library.read[0]
    assert len(library.read) == 1


def test_a_file_that_is_broken_is_named_to_whoever_asks_for_it(tmp_path: Path) -> None:
    (tmp_path / "broken.yaml").write_text("name: 'Broken' # not yet\ndeviceResources: [\n")
    with pytest.raises(ConfigError, match=r"profiles/broken\.yaml"):
        Library([tmp_path / "broken.yaml"])["Broken"]


async def test_a_gateway_that_uses_none_of_them_reads_none(tmp_path: Path, clock: MovingClock) -> None:
    house = House(tmp_path, clock, library=True)
    await house.registry.reload()
    assert len(house.registry.current.profiles) > 50
    assert house.registry.digest
    shipped = house.registry.current.profiles.shipped
    assert isinstance(shipped, Library)
    assert not shipped.read


def test_the_folders_read_it_once(tmp_path: Path) -> None:
    folders = Folders([], tmp_path)
    assert folders.read().library is folders.read().library
