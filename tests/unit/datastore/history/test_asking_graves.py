"""What people delete becomes tombstones of exactly that."""

from pathlib import Path

from datastore.history.asking.graves import graves
from datastore.history.catalog import Tombstone
from gateway.model.query import Selection
from gateway.model.reading import Source
from tests.support.histories import History
from tests.support.records import resource, source


def test_a_device_a_source_a_time_an_event(tmp_path: Path) -> None:
    history = History(tmp_path)
    first = history.source(source())
    history.source(source("other"))
    later = history.source(Source("s", "p", "meter", "Power", (resource("Power"),)))
    history.close()
    of_device = graves(tmp_path, Selection(device="meter"), 50)
    assert sorted((one.first_series, one.last_series, one.last_offset) for one in of_device) == [
        (first, first + 1, 50),
        (later, later, 50),
    ]
    [of_source] = graves(tmp_path, Selection(device="meter", source="Power", end=9), 50)
    assert (of_source.first_series, of_source.end) == (later, 9)
    [by_age] = graves(tmp_path, Selection(end=77), 50)
    assert (by_age.end, by_age.last_offset, by_age.last_series) == (77, 50, 2**31 - 1)
    [one] = graves(tmp_path, Selection(event=33), 50)
    assert one == Tombstone(last_series=2**31 - 1, start=0, first_offset=33, last_offset=33)
    assert graves(tmp_path, Selection(device="nobody"), 50) == []


def test_before_there_is_a_history(tmp_path: Path) -> None:
    assert graves(tmp_path, Selection(device="meter"), 50) == []
