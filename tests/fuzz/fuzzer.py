"""One target under atheris: `python -m tests.fuzz.fuzzer PROGRAM TARGET [-flag=…] [corpus …]`. The flags are those of
libFuzzer, which runs PROGRAM again for its children."""

import logging
import sys

import atheris  # type: ignore[import-not-found]

WATCHED = ["mappers", "gateway.model", "pymodbus.framer", "pymodbus.transaction", "tests.fuzz"]

if __name__ == "__main__":
    logging.disable()
    with atheris.instrument_imports(include=WATCHED):
        from tests.fuzz.targets import TARGETS
    atheris.Setup([sys.argv[1], *sys.argv[3:]], TARGETS[sys.argv[2]])
    atheris.Fuzz()
