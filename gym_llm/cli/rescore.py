"""``gym-llm rescore RUN``: recompute the rewards of a run from its stored actions."""

import argparse
import asyncio
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from gym_llm.errors import ConfigError
from gym_llm.rollouts.rescore import (
    Change,
    Place,
    Rescored,
    can_be_graded,
    rescore,
    uses_judge,
    write_rescored,
)
from gym_llm.rollouts.run_folder import MANIFEST, RunFolder

SHOWN = 20


def add_parser(verbs: Any) -> None:
    """Add the verb."""
    parser = verbs.add_parser("rescore", help="recompute the rewards of a run from its stored actions")
    parser.add_argument("run_folder", type=Path, metavar="RUN", help="folder of the run")
    parser.add_argument(
        "--output", type=Path, metavar="NEW_RUN", help="write a whole new run with the new rewards"
    )
    parser.add_argument(
        "--check",
        action="store_true",
        help="exit code 1 when a reward or an answer of an environment is not what the run says",
    )
    parser.add_argument(
        "--judge", action="store_true", help="also ask judges again, which are left out otherwise"
    )
    parser.add_argument(
        "--workers",
        type=int,
        default=0,
        metavar="N",
        help="step in N worker processes (default: 0, in this process)",
    )
    parser.add_argument(
        "--step-timeout",
        type=float,
        metavar="S",
        help="seconds that a reset or step may take (default: 300); needs --workers",
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Rescore; 1 when a rollout could not be, or with ``--check`` when one is not as the run says."""
    folder = RunFolder(args.run_folder)
    if args.workers < 0:
        raise ConfigError(f"--workers must be 0 or more, got {args.workers}")
    if args.step_timeout is not None and args.workers == 0:
        raise ConfigError("--step-timeout needs --workers: a step in this process cannot be ended")
    if args.output is not None and (args.output / MANIFEST).exists():
        raise ConfigError(f"output folder {args.output} holds a run already")
    console = Console(stderr=True, markup=False, highlight=False, soft_wrap=True)
    with _progress_bar(console, _total(folder, args.judge)) as on_progress:
        result = asyncio.run(
            rescore(
                folder,
                with_judge=args.judge,
                workers=args.workers,
                step_timeout_s=(args.step_timeout or 300.0) if args.workers else None,
                on_progress=on_progress,
            )
        )
    if args.output is not None:
        write_rescored(folder, result, args.output, _command(args))
    if args.json:
        output = None if args.output is None else str(args.output)
        sys.stdout.write(json.dumps({**result.to_dict(), "output": output}, indent=2) + "\n")
    else:
        _print(result, args.output)
    for env_id, count in result.left_out.items():
        console.print(f"{env_id}: {count} rollouts left out; --judge asks the judge again")
    return 1 if result.failures or (args.check and not result.is_same) else 0


def _total(folder: RunFolder, with_judge: bool) -> int:
    environments = folder.manifest.environments
    left_out = {e for e, env in environments.items() if not with_judge and uses_judge(e, env.kwargs)}
    found = (r for source in (folder.rollouts(), folder.failures()) for r in source)
    return sum(can_be_graded(r) and r.env_id not in left_out for r in found)


def _command(args: argparse.Namespace) -> list[str]:
    flags = ["--judge"] if args.judge else []
    return ["rescore", str(args.run_folder), "--output", str(args.output), *flags]


@contextmanager
def _progress_bar(console: Console, total: int) -> Iterator[Callable[[int], None]]:
    bar = Progress(
        TextColumn("rescored"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        console=console,
    )
    task = bar.add_task("", total=total)
    with bar:
        yield lambda done: bar.update(task, completed=done)


def _print(result: Rescored, output: Path | None) -> None:
    console = Console(markup=False, highlight=False, soft_wrap=True)
    if result.changes:
        console.print(_change_table(result.changes))
    _print_list(console, [(d.place, d.what) for d in result.divergences])
    _print_list(console, [(f.place, f"{f.kind}: {f.message}") for f in result.failures])
    changed = len({change.place for change in result.changes})
    console.print(
        f"{result.graded} rollouts rescored: {changed} with another reward, "
        f"{len(result.divergences)} that go another way, {len(result.failures)} failed; "
        f"{result.kept_failures} had failed in the run",
        markup=False,
    )
    if output is not None:
        console.print(f"run folder: {output}")


def _print_list(console: Console, entries: Sequence[tuple[Place, str]]) -> None:
    for place, text in entries[:SHOWN]:
        line = f"{place.env_id} {place.task_id} repeat {place.repeat}: {text}"
        console.print(line)
    if len(entries) > SHOWN:
        console.print(f"... and {len(entries) - SHOWN} more (--json has all)")


def _change_table(changes: Sequence[Change]) -> Table:
    grid = Table(box=None, pad_edge=False)
    for column in ("environment", "task", "reward"):
        # Folded where the terminal is narrow: no name is cut.
        grid.add_column(column, overflow="fold")
    for column in ("repeat", "old", "new"):
        grid.add_column(column, justify="right", no_wrap=True)
    for change in changes[:SHOWN]:
        place = change.place
        name = "return" if change.component is None else change.component
        cells = ["-" if value is None else f"{value:.6g}" for value in (change.old, change.new)]
        grid.add_row(place.env_id, place.task_id, name, str(place.repeat), *cells)
    if len(changes) > SHOWN:
        grid.add_row("...", f"and {len(changes) - SHOWN} more", "(--json has all)", "", "", "")
    return grid
