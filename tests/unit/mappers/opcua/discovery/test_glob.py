"""Wildcards on browse paths."""

import pytest

from mappers.opcua.discovery.glob import Globs

URIS = ["http://opcfoundation.org/UA/", "urn:fake", "urn:acme:press/1"]


def led(globs: Globs, path: str) -> tuple[bool, bool]:
    """Whether a path matches, and whether something below it may; `2:Press/2:Speed`."""
    places = globs.start
    for step in path.split("/"):
        index, _, name = step.partition(":")
        places = globs.step(places, URIS[int(index)], int(index), name)
    return globs.matches(places), globs.further(places)


@pytest.mark.parametrize(
    ("pattern", "path", "matches", "further"),
    [
        ("/Press/Speed", "2:Press/2:Speed", True, True),
        ("/Press/Speed", "2:Press/2:Other", False, False),
        ("/Press/Speed", "2:Other", False, False),
        ("/Press", "2:Press/2:Axis/2:Speed", True, True),
        ("Objects/Press", "2:Press/2:Speed", True, True),
        ("/0:Root/Objects/Press", "2:Press/2:Speed", True, True),
        ("/Press/*", "2:Press/2:Speed", True, False),
        ("/Press/*", "2:Press/2:Axis/2:Speed", False, False),
        ("/*/Sp?ed", "2:Press/2:Speed", True, False),
        ("/*/Sp?ed", "2:Press/2:Sped", False, False),
        ("/*/*Temp*", "2:Press/2:OilTemperature", True, False),
        ("/**/Speed*", "2:Press/2:Axis/2:Speed1", True, True),
        ("/**/Speed*", "2:Speed1", True, True),
        ("/**/Speed*", "2:Press/2:Axis", False, True),
        ("/Press/**", "2:Press/2:Axis/2:Speed", True, True),
        ("/Press/**", "2:Other", False, False),
        ("/2:Press/1:Speed", "2:Press/2:Speed", False, False),
        ("/nsu=urn:acme:press/1;Press/*", "2:Press/2:Speed", True, False),
        ("/nsu=urn:acme:press/1;Press/*", "1:Press", False, False),
        ("/A&/B&&C&*/*", "2:A/B&C*", False, True),
        ("**", "2:a/2:b/2:c", True, True),
    ],
)
def test_what_matches_and_where_it_is_worth_looking(pattern: str, path: str, matches: bool, further: bool) -> None:
    if pattern.startswith("/A&"):
        globs = Globs([pattern])
        places = globs.step(globs.start, URIS[2], 2, "A/B&C*")
        assert (globs.matches(places), globs.further(places)) == (matches, further)
    else:
        assert led(Globs([pattern]), path) == (matches, further)


def test_several_patterns_and_none() -> None:
    globs = Globs(["/Press/*", "/Oven/**"])
    assert led(globs, "2:Press/2:Speed") == (True, False)
    assert led(globs, "2:Oven/2:Zone/2:Temperature") == (True, True)
    assert led(globs, "2:Saw") == (False, False)
    assert led(Globs(), "2:Saw/2:Blade") == (True, True)


def test_what_is_named_without_a_wildcard() -> None:
    globs = Globs(["/Server/**"])
    assert globs.named(globs.start, URIS[0], 0, "Server")
    assert not Globs(["/S*"]).named(globs.start, URIS[0], 0, "Server")
    assert not Globs().named(globs.start, URIS[0], 0, "Server")


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("/Press//Speed", "a name is empty"),
        ("/a&b", "an & stands alone"),
        ("/nsu=urn:x/Press", "ends with a semicolon"),
    ],
)
def test_what_is_no_pattern(text: str, wrong: str) -> None:
    with pytest.raises(ValueError, match=wrong):
        Globs([text])
