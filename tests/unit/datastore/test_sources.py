"""Equal content, equal number; what lies on disk gives sources equal in content."""

from dataclasses import replace

from datastore.sources import Sources
from gateway.model.profile import Compat
from gateway.model.reading import Source
from gateway.model.scalar import LiteralFloat, literal_text
from tests.support.records import resource, source


def reopened(sources: Sources) -> Sources:
    """As after a restart."""
    fresh = Sources()
    rows = [sources.row(one.number) for one in sources.all()]
    fresh.load([row for row, _ in rows], {row.resources: definitions for row, definitions in rows})
    return fresh


def test_equal_content_gives_the_same_number() -> None:
    sources = Sources()
    first = sources.number(source())
    assert first.number == 1
    assert sources.number(source()).number == 1
    assert sources.number(first) is first
    assert reopened(sources).number(source()).number == 1


def test_any_difference_gives_another_number() -> None:
    sources, plain = Sources(), source()
    others = [
        replace(plain, device="other"),
        replace(plain, name="other"),
        replace(plain, tags={"line": 1}),
        replace(plain, compat=Compat.EDGEX),
        replace(plain, mappings=({"0": "off"}, {})),
        replace(plain, resources=(plain.resources[0],)),
        replace(plain, resources=(resource("Voltage", startingAddress=7), plain.resources[1])),
        replace(plain, resources=(resource("Voltage", startingAddress=10.1), plain.resources[1])),
        replace(
            plain, resources=(resource("Voltage", startingAddress=LiteralFloat(10.1, "10.10")), plain.resources[1])
        ),
    ]
    numbers = [sources.number(one).number for one in [plain, *others]]
    assert numbers == list(range(1, len(others) + 2))
    assert [reopened(sources).number(one).number for one in [plain, *others]] == numbers


def test_content_survives_a_restart() -> None:
    sources = Sources()
    kept = Source(
        "device-modbus", "p", "Zähler/1", "all",
        (resource("A", startingAddress=LiteralFloat(10.1, "10.10"), nested={"list": [1, "x", None]}),),
        ({"0": "off"},), {"line": "3", "n": 4}, compat=Compat.EDGEX,
    )  # fmt: skip
    sources.number(kept)
    found = reopened(sources).get(1)
    assert (found.service, found.profile, found.device, found.name) == (
        kept.service,
        kept.profile,
        kept.device,
        kept.name,
    )
    assert (found.mappings, dict(found.tags), found.compat, found.number) == (
        ({"0": "off"},),
        kept.tags,
        kept.compat,
        1,
    )
    assert found.resources == kept.resources
    assert literal_text(found.resources[0].attributes["startingAddress"]) == "10.10"


def test_throw_away_sources_do_not_pile_up_objects() -> None:
    sources = Sources()
    for _ in range(3):
        for _ in range(3000):
            sources.number(source())
    assert len(sources._seen) <= 4096
    assert len(sources.all()) == 1


def test_numbers_of_a_file_that_cannot_be_read_are_not_given_again() -> None:
    sources = Sources()
    sources.leave_room()
    assert sources.number(source()).number > 1_000_000
