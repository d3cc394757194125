"""`southgate` and `python -m gateway`."""

import sys

from gateway.cli import run

__all__ = ["main"]


def main() -> None:
    """Entry point of the command line."""
    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
