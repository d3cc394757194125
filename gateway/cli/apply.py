"""`southgate apply`: a running gateway reads its files again and takes over what changed, all of it or nothing."""

import argparse

from gateway.cli.output import Output
from gateway.cli.remote import Refused, Remote, add_options
from gateway.model.errors import ConfigError, Problem

EXAMPLES = """  southgate apply --dry-run      show what would change
  southgate apply"""
KINDS = ("added", "changed", "removed")


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--dry-run", action="store_true", help="only show what would change")
    add_options(parser)


def run(options: argparse.Namespace, output: Output) -> int:
    """0 when the configuration is in force (or would be), 2 when it was refused; then nothing changed."""
    path = f"/gateway/api/v1/config/reload?dry_run={'true' if options.dry_run else 'false'}"
    try:
        difference = Remote(options).ask("POST", path)
    except Refused as refused:
        if "problems" in refused.body:
            raise ConfigError([Problem(**problem) for problem in refused.body["problems"]]) from None
        raise
    output.result(difference)
    output.problems(Problem(**problem) for problem in difference["problems"])
    for what in ("profiles", "devices"):
        for kind in KINDS:
            for name in difference[f"{kind}_{what}"]:
                output.line(f"{kind:8} {what[:-1]} {name}")
    for what in ("rules", "exporters"):
        for name in difference.get(f"changed_{what}", ()):
            output.line(f"changed  {what[:-1]} {name}")
    for name in difference.get("changed_keep", ()):
        output.line(f"changed  {name}")
    verb = "would change" if options.dry_run else "changed"
    output.line(f"something {verb}" if difference["changed"] else f"nothing {verb}")
    output.line(f"configuration in force: {difference['digest']}")
    return 0
