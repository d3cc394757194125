"""The repository says what is so: what pages name exists, pieces keep their size, nothing knows the machine it was
made on."""

import ast
import re
import shutil
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.support.peers import need

ROOT = Path(__file__).parents[2]
FILE_LINES, FUNCTION_LINES, ARGUMENTS = 400, 60, 6
MACHINE = re.compile(r"(?<![\w.~$}-])/(?:work|root|home|Users|mnt)/\w")
"""A path of somebody's machine."""
INDEX = re.compile(r"pypi\.org|pythonhosted|debian\.org|ubuntu\.com|npmjs|docker\.io|ghcr\.io|quay\.io")
"""Where packages come from is each machine's own business."""
HERE = str(Path(__file__).relative_to(ROOT))
LOCKS = {"requirements.lock", "requirements-runtime.lock", "requirements-full.lock"}
"""Hashes: any letters may stand there by chance."""
DECISION = re.compile(
    r"# (?P<number>\d+)\. \S.*\n\n"
    r"\d{4}-\d{2}-\d{2} · (in force|superseded by \d+)\n\n"
    r"\*\*Matter\.\*\* .*?\n\n(.*\n\n)?\*\*Decision\.\*\* .*?\n\n(.*\n\n)?\*\*Follows\.\*\* .*\n",
    re.DOTALL,
)


@cache
def tracked() -> tuple[Path, ...]:
    """Every file of the repository; of a source tree without git: every file that is not a product."""
    if shutil.which("git") and (ROOT / ".git").exists():
        listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
        return tuple(path for name in listed.split("\0") if name and (path := ROOT / name).is_file())
    return tuple(path for path in ROOT.rglob("*") if path.is_file() and not _product(path.relative_to(ROOT)))


def _product(path: Path) -> bool:
    return any(part in ("build", "dist", "__pycache__") or part.startswith(".") for part in path.parts)


def texts(*endings: str) -> Iterator[tuple[str, str]]:
    """Name in the repository and text of every tracked file with one of these endings; without endings: of all."""
    for path in tracked():
        if not endings or path.name.endswith(endings):
            with_text = path.read_bytes()
            if b"\0" not in with_text:
                yield str(path.relative_to(ROOT)), with_text.decode("utf-8")


def functions() -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
    """Place and node of every function."""
    for name, text in texts(".py"):
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield f"{name}:{node.lineno} {node.name}", node


# ---------------------------------------------------------------------------------------------------------------- size


def test_files_are_short() -> None:
    long = {name: count for name, text in texts(".py") if (count := text.count("\n")) > FILE_LINES}
    assert long == {}, f"more than {FILE_LINES} lines; divide them by what they are about"


def test_functions_are_short() -> None:
    lengths = {place: (node.end_lineno or 0) - node.lineno + 1 for place, node in functions()}
    assert {place: length for place, length in lengths.items() if length > FUNCTION_LINES} == {}
    ordered = sorted(lengths.values())
    assert ordered[int(0.9 * len(ordered))] <= 25, "nine of ten functions have at most 25 lines"


def test_functions_take_few_arguments() -> None:
    many = {place: count for place, node in functions() if (count := _arguments(node)) > ARGUMENTS}
    assert {place: count for place, count in many.items() if not place.startswith("tests/")} == {}


def _arguments(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Without self and cls. A route's are the names of its query: not counted."""
    if any(ast.unparse(decorator).startswith("router.") for decorator in node.decorator_list):
        return 0
    given = node.args
    return len([a for a in (*given.posonlyargs, *given.args, *given.kwonlyargs) if a.arg not in ("self", "cls")])


# ------------------------------------------------------------------------------------------------- machines and hosts


def test_no_file_knows_a_machine() -> None:
    found = [f"{name}: {hit.group()}" for name, text in texts() for hit in MACHINE.finditer(text)]
    assert found == []


def test_no_file_names_where_packages_come_from() -> None:
    found = [
        f"{name}: {hit.group()}" for name, text in texts() if name not in {HERE, *LOCKS} for hit in INDEX.finditer(text)
    ]
    assert found == []


@pytest.mark.parametrize("name", sorted(LOCKS | {"constraints.txt"}))
def test_locks_hold_versions_and_hashes_only(name: str) -> None:
    line = re.compile(r"[a-z0-9.-]+==[^\s;]+( ; [^\\]+)?( \\)?|    --hash=sha256:[0-9a-f]{64}( \\)?")
    assert [text for text in (ROOT / name).read_text("utf-8").splitlines() if not line.fullmatch(text)] == []


# --------------------------------------------------------------------------------------------------------------- pages


def test_readme_has_the_two_commands() -> None:
    assert {"demo", "test"} <= set(re.findall(r"^make (\w+)", (ROOT / "README.md").read_text("utf-8"), re.MULTILINE))


def test_make_targets_that_pages_name_exist() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    named = {
        (name, target)
        for name, text in texts(".md")
        for target in re.findall(r"(?:`|^)make ([a-z]+)", text, re.MULTILINE)
    }
    assert {(name, target) for name, target in named if target not in targets} == set()


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md"])
def test_paths_that_a_page_names_exist(page: str) -> None:
    first = {path.relative_to(ROOT).parts[0] for path in tracked()}
    words = re.findall(r"`([\w./*<>-]+)`", (ROOT / page).read_text("utf-8"))
    paths = [word for word in words if "<" not in word and (word.partition("/")[0] in first or word in first)]
    assert [path for path in paths if not list(ROOT.glob(path.rstrip("/")))] == []


def test_changelog_has_what_is_not_released_yet_first() -> None:
    headings = re.findall(r"^## (.+)$", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.MULTILINE)
    assert headings[0] == "Unreleased"
    assert [h for h in headings[1:] if not re.fullmatch(r"\d+\.\d+\.\d+ · \d{4}-\d{2}-\d{2}", h)] == []


@pytest.mark.parametrize("path", sorted((ROOT / "docs" / "decisions").glob("[0-9]*.md")), ids=lambda path: path.stem)
def test_a_decision_has_the_shape_of_the_others(path: Path) -> None:
    text = path.read_text("utf-8")
    found = DECISION.fullmatch(text)
    assert found, "a title with its number, date and state, **Matter.**, **Decision.**, **Follows.**"
    assert int(found["number"]) == int(path.name[:4])
    assert text.count("\n") <= 60, "one page"


def test_decisions_have_numbers_of_their_own() -> None:
    numbers = [path.name[:4] for path in (ROOT / "docs" / "decisions").glob("[0-9]*.md")]
    assert sorted(numbers) == sorted(set(numbers))


# ------------------------------------------------------------------------------------------------------------------ CI


def test_ci_installs_the_one_list_and_runs_the_readme() -> None:
    script = (ROOT / ".ci" / "run").read_text("utf-8")
    assert subprocess.run([need("bash"), "-n", ROOT / ".ci" / "run"], check=False).returncode == 0
    assert "packages.txt" in script
    assert script.splitlines()[-1] == "make test"
    assert (ROOT / ".ci" / "run").stat().st_mode & 0o111


def test_programs_that_tests_need_are_in_the_list() -> None:
    needed = {program for _, text in texts(".py") for program in re.findall(r"\bneed\(\"([\w.-]+)\"\)", text)}
    listed = [line for line in (ROOT / "packages.txt").read_text("utf-8").splitlines() if line and line[0] != "#"]
    known = [line.split() for line in _dpkg("-W", "-f", "${Package} ${Essential} ${Depends}\n").splitlines()]
    essential = {package for package, is_essential, *_ in known if is_essential == "yes"}
    below = {word for package, _, *depends in known if package in listed for word in depends}
    owners = {program: set(re.findall(r"^\S+", _owner(program), re.MULTILINE)) for program in needed}
    brought = essential | below | {*listed, "npm"}  # .ci/run brings npm where nodejs has none
    assert {program: owner for program, owner in owners.items() if owner and not owner & brought} == {}


def _owner(program: str) -> str:
    """What dpkg says of the program; nothing where it is not installed or is not Debian's."""
    path = shutil.which(program, path="/usr/bin:/usr/sbin:/bin:/sbin")
    return _dpkg("-S", path).replace(":", " ") if path else ""


def _dpkg(*arguments: str) -> str:
    query = [need("dpkg-query"), *arguments]
    return subprocess.run(query, check=False, capture_output=True, text=True, timeout=30).stdout
