"""One set of versions: the lock, the constraints and the image's lock agree, and hold what pyproject asks for."""

import re
import tomllib
from collections.abc import Iterable, Iterator
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
MAKE = "run make lock"
IMAGES = {"requirements-runtime.lock": "image", "requirements-full.lock": "all"}
"""What the image and its full variant install, and the extra that asks for it."""


def project() -> dict[str, Any]:
    found: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    return found


def lines(name: str) -> list[str]:
    """Pinned requirements, with their markers and without their hashes."""
    text = (ROOT / name).read_text("utf-8")
    return [line.removesuffix(" \\") for line in text.splitlines() if not line.lstrip().startswith("--hash")]


def entries(name: str) -> dict[str, str]:
    """Pinned requirement → its hashes."""
    blocks = re.split(r"\n(?=\S)", (ROOT / name).read_text("utf-8").strip())
    return {block.partition(" \\\n")[0]: block.partition(" \\\n")[2] for block in blocks}


def pins(name: str) -> dict[str, str]:
    """Package → version."""
    found = (Requirement(line) for line in lines(name))
    return {canonicalize_name(one.name): str(one.specifier).removeprefix("==") for one in found}


def asked(extra: str) -> Iterator[Requirement]:
    """What an extra asks for, extras of our own that it names included; `""`: what everybody gets."""
    texts = project()["optional-dependencies"][extra] if extra else project()["dependencies"]
    for requirement in map(Requirement, texts):
        if requirement.name != project()["name"]:
            yield requirement
        for own in requirement.extras if requirement.name == project()["name"] else ():
            yield from asked(own)


def test_constraints_are_the_lock_without_hashes() -> None:
    assert lines("constraints.txt") == lines("requirements.lock"), MAKE


@pytest.mark.parametrize("extra", ["", *project()["optional-dependencies"]])
def test_what_an_extra_asks_for_is_in_the_constraints(extra: str) -> None:
    pinned = pins("constraints.txt")
    wrong = [str(r) for r in asked(extra) if not r.specifier.contains(pinned.get(canonicalize_name(r.name), "0"))]
    assert wrong == [], MAKE


def test_every_pin_has_hashes() -> None:
    for name in ("requirements.lock", *IMAGES):
        assert [pin for pin, hashes in entries(name).items() if "--hash=sha256:" not in hashes] == []


@pytest.mark.parametrize("lock", IMAGES)
def test_an_image_has_versions_and_hashes_of_the_lock(lock: str) -> None:
    whole, image = entries("requirements.lock"), entries(lock)
    known = {pin.partition(" ;")[0]: hashes for pin, hashes in whole.items()}  # a marker may be narrower in the image
    assert {pin: h for pin, h in image.items() if known.get(pin.partition(" ;")[0]) != h} == {}, MAKE


@pytest.mark.parametrize(("lock", "extra"), IMAGES.items())
def test_an_image_has_all_that_its_extra_asks_for_and_no_tools(lock: str, extra: str) -> None:
    image = set(pins(lock))
    used = closure([*asked(""), *asked(extra)])
    assert used <= image, MAKE
    tools = {canonicalize_name(r.name) for extra in ("demo", "dev") for r in asked(extra)}
    assert not (tools - used) & image


def closure(requirements: Iterable[Requirement]) -> set[str]:
    """Packages that these bring here, by what is installed."""
    found: set[str] = set()
    todo = [(one, "") for one in requirements]
    while todo:
        one, extra = todo.pop()
        name = canonicalize_name(one.name)
        if one.marker and not one.marker.evaluate({"extra": extra}):
            continue
        if name in found and not one.extras:
            continue
        found.add(name)
        try:
            below = distribution(name).requires or []
        except PackageNotFoundError:
            continue
        todo += [(Requirement(text), wanted) for text in below for wanted in ("", *one.extras)]
    return found
