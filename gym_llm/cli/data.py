"""``gym-llm data check FILE...``: find what is wrong with task files before a run does."""

import argparse
import contextlib
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from gym_llm.errors import ConfigError
from gym_llm.rollouts.data_lines import MAX_ROW_BYTES

if TYPE_CHECKING:
    from gym_llm.rollouts.data_check import OnGoodRow, Report


def add_parser(verbs: Any) -> None:
    """Add the verb."""
    parser = verbs.add_parser("data", help="work on task files")
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    check = actions.add_parser("check", help="check the rows of task files")
    check.add_argument("files", nargs="+", type=Path, metavar="FILE", help="JSONL file of tasks")
    check.add_argument("--env", metavar="ID", help="the environment (default: guessed from the rows)")
    check.add_argument(
        "--show", type=int, default=20, metavar="N", help="errors and warnings to show (default: 20)"
    )
    check.add_argument(
        "--max-row-bytes",
        type=int,
        default=MAX_ROW_BYTES,
        metavar="N",
        help="a longer row is bad (default: 16 MiB)",
    )
    check.add_argument("--strict", action="store_true", help="exit with 1 for warnings too")
    check.add_argument(
        "--write-good", type=Path, metavar="FILE", help="write the good rows to a new file"
    )
    check.add_argument("--json", action="store_true", help="print the report as JSON")
    check.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Check; 0 when every row is good, 1 when one is bad (or, with ``--strict``, doubtful)."""
    from gym_llm.registration import find
    from gym_llm.rollouts.data_check import check
    from gym_llm.rollouts.data_guess import Guess, guess

    chosen = Guess(find(args.env), "named by --env") if args.env else guess(args.files)
    with _new_file(args.write_good) as on_good_row:
        report = check(
            args.files,
            chosen.info,
            max_row_bytes=args.max_row_bytes,
            shown=args.show,
            on_good_row=on_good_row,
        )
    if args.json:
        record = {"why": chosen.why, **report.to_dict()}
        sys.stdout.write(json.dumps(record, indent=2) + "\n")
    else:
        _print(report, chosen.why, args.write_good)
    is_bad = report.total(errors=True) or (args.strict and report.total(errors=False))
    return 1 if is_bad else 0


@contextlib.contextmanager
def _new_file(path: Path | None) -> "Iterator[OnGoodRow | None]":
    """Write a file that is complete or not there; never in place of another."""
    if path is None:
        yield None
        return
    if path.exists():
        raise ConfigError(f"--write-good: {path} exists already")
    partial = path.with_name(f".{path.name}.partial")
    try:
        file = partial.open("wb")
    except OSError as error:
        raise ConfigError(f"--write-good: {path} cannot be written: {error.strerror}") from error
    try:
        with file:
            yield file.write
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def _print(report: "Report", why: str, good: Path | None) -> None:
    console = Console(highlight=False, soft_wrap=True)

    def say(text: str) -> None:
        console.print(text, markup=False)

    say(f"environment: {report.env_id} ({why})")
    for file in report.files:
        say(f"{file.path}: {file.rows:,} rows, {file.bad:,} bad")
    _print_sizes(report, console)
    for title, errors in (("errors", True), ("warnings", False)):
        total = report.total(errors)
        if not total:
            continue
        shown = [problem for problem in report.problems if problem.is_error == errors]
        counts = ", ".join(f"{n:,} {kind}" for kind, n in report.to_dict()[title].items())
        say(f"\n{title}: {counts}" + (f"; the first {len(shown)}:" if len(shown) < total else ""))
        for problem in shown:
            say(f"  {problem}")
    if good is not None:
        say(f"\n{report.rows - report.bad:,} good rows: {good}")


def _print_sizes(report: "Report", console: Console) -> None:
    columns: Sequence[str] = ("min", "mean", "p50", "p90", "p99", "max")
    grid = Table(box=None, pad_edge=False)
    grid.add_column("of good rows")
    for column in columns:
        grid.add_column(column, justify="right")
    for name, spread in report.statistics.items():
        if isinstance(spread, dict):
            values = (f"{spread[column]:,}" for column in columns)
            grid.add_row(name.replace("_", " "), *values)
    if grid.row_count:
        console.print(grid)
    with_reference = report.statistics["with_reference"]
    text = f"reference actions: {with_reference:,} of {report.rows - report.bad:,} rows have them"
    console.print(text, markup=False)
