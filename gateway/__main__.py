"""`southgate` and `python -m gateway`."""

import sys

from gateway.cli import run_command

__all__ = ["main"]


def main() -> None:
    """Entry point of the command line."""
    sys.exit(run_command(sys.argv[1:]))


if __name__ == "__main__":
    main()
