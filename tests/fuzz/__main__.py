"""`python -m tests.fuzz [--minutes N] [TARGET ...]`: coverage-guided, with atheris, which is none of our requirements:
it is not made for every Python. What it finds new goes to the corpus, minimised; what breaks is printed, to be mended
and added to the corpus with `--add TARGET HEX`. Without atheris tests/fuzz/test_corpus.py runs the corpus.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.fuzz import corpus
from tests.fuzz.targets import TARGETS

MOST_BYTES = 400


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz")
    parser.add_argument("targets", nargs="*", help=f"of {', '.join(TARGETS)}; default: all")
    parser.add_argument("--minutes", type=float, default=1.0, help="for each target; default 1")
    parser.add_argument("--add", nargs=2, metavar=("TARGET", "HEX"), help="put one input into the corpus")
    options = parser.parse_args()
    if options.add:
        corpus.save(options.add[0], [*corpus.load(options.add[0]), bytes.fromhex(options.add[1])])
        return 0
    return max(_fuzzed(name, options.minutes) for name in options.targets or TARGETS)


def _fuzzed(target: str, minutes: float) -> int:
    """0 when nothing broke."""
    with tempfile.TemporaryDirectory() as folder:
        old, new, broken = (Path(folder, name) for name in ("old", "new", "broken"))
        for each in (old, new, broken):
            each.mkdir()
        for number, data in enumerate(corpus.load(target)):
            (old / str(number)).write_bytes(data)
        again = Path(folder, "again")
        again.write_text(f'#!/bin/sh\nexec {sys.executable} -m tests.fuzz.fuzzer "$0" {target} "$@"\n')
        again.chmod(0o700)
        code = _child(again, f"-max_total_time={round(60 * minutes)}", f"-artifact_prefix={broken}/", str(old))
        if _child(again, "-merge=1", str(new), str(old)) == 0:
            corpus.save(target, [file.read_bytes() for file in new.iterdir()])
        for file in broken.iterdir():
            print(f"{target} breaks: {file.read_bytes().hex()}")
        return min(code, 1)


def _child(program: Path, *flags: str) -> int:
    """libFuzzer ends the process it runs in."""
    return subprocess.run(
        [program, f"-max_len={MOST_BYTES}", "-len_control=0", "-timeout=20", *flags], check=False
    ).returncode


if __name__ == "__main__":
    sys.exit(main())
