"""The journal's settings: sizes and durations as people write them, errors that say what to write."""

import pytest
from pydantic import ValidationError

from datastore.settings import JournalSettings, parse_size


@pytest.mark.parametrize(
    ("text", "size"),
    [("2GB", 2 * 10**9), ("512MiB", 512 * 2**20), ("1.5 MB", 1_500_000), ("4096", 4096), ("10kB", 10_000)],
)
def test_sizes(text: str, size: int) -> None:
    assert parse_size(text) == size


def test_defaults() -> None:
    settings = JournalSettings()
    assert (settings.commit_s, settings.bytes_max, settings.age_ns) == (0.5, 2 * 10**9, 30 * 86400 * 10**9)


def test_a_plain_number_is_bytes() -> None:
    assert JournalSettings(max_bytes=5_000_000).bytes_max == 5_000_000  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"commit": "5ms"}, "10ms to 1m"),
        ({"commit": "soon"}, "is not a duration"),
        ({"max_bytes": "2 gigs"}, "is not a size"),
        ({"max_bytes": "10kB"}, "at least 1MB"),
        ({"max_age": "0"}, "keeps nothing"),
        ({"when_full": "stop"}, "drop-oldest"),
        ({"maxbytes": "2GB"}, "Extra inputs"),
    ],
)
def test_refused(given: dict[str, str], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        JournalSettings(**given)  # type: ignore[arg-type]
