"""Programs that are not ours and that a test needs: a counted skip on a user's machine, a failure where CI=true."""

import os
import shutil
from typing import NoReturn

import pytest


def need(program: str) -> str:
    """Path of a program, or skip (fail on CI: what CI does not run is not tested)."""
    path = shutil.which(program) or shutil.which(program, path="/usr/sbin:/usr/local/sbin:/sbin")
    return path or lacking(f"{program} is not installed (packages.txt names its Debian package)")


def lacking(text: str) -> NoReturn:
    """Skips (fails on CI)."""
    if os.environ.get("CI") == "true":
        pytest.fail(text)
    pytest.skip(text)
