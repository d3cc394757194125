"""The shipped library as data: found as a package's resources, complete in the distribution, and listed in the docs."""

import subprocess
import sys
import tomllib
from pathlib import Path

from simulators.library import shipped
from tests.profiles.catalogue import page

ROOT = Path(__file__).parents[2]


def test_profiles_are_found_as_resources_from_anywhere(tmp_path: Path) -> None:
    """A new interpreter elsewhere, which knows only the folder that holds the packages, as site-packages does."""
    program = (
        "from importlib.resources import files\n"
        "found = [e.name for d in files('profiles').iterdir() if d.is_dir() for e in d.iterdir()]\n"
        "print('\\n'.join(sorted(n for n in found if n.endswith('.yaml'))))\n"
    )
    command = [sys.executable, "-I", "-c", f"import sys; sys.path.insert(0, {str(ROOT)!r})\n{program}"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True, timeout=30)
    assert done.stdout.split() == sorted(entry.name for entry in shipped())


def test_the_distribution_holds_them_and_they_are_data_only() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert "profiles" in settings["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    kinds = {path.suffix for path in (ROOT / "profiles").rglob("*") if path.is_file()}
    assert kinds == {".yaml"}


def test_the_page_that_lists_them_is_current() -> None:
    assert (ROOT / "docs" / "reference" / "profiles.md").read_text() == page(), (
        "run: python -m tests.profiles.catalogue > docs/reference/profiles.md"
    )
