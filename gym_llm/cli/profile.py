"""``gym-llm profile RUN``: how hard each task was, and a task file of the right difficulty."""

import argparse
import json
import re
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from gym_llm.cli.options import add_threshold_option
from gym_llm.errors import ConfigError, UnknownNameError
from gym_llm.rollouts.profile import BANDS, TaskProfile, hardest, profile, within, write_tasks
from gym_llm.rollouts.run_folder import RunFolder

NUMBER = r"(\d+(?:\.\d+)?|\.\d+)"
NAMES_SHOWN = 10
RATES = dict(
    zip(
        BANDS,
        ("0", "above 0, below 0.3", "0.3 to below 0.7", "0.7 to below 1", "1"),
        strict=True,
    )
)


def add_parser(verbs: Any) -> None:
    """Add the verb."""
    parser = verbs.add_parser("profile", help="pass rates of a run's tasks; a task file by difficulty")
    parser.add_argument("run_folder", type=Path, metavar="RUN", help="folder of the run")
    parser.add_argument("--env", metavar="ID", help="only this environment of the run")
    add_threshold_option(parser)
    parser.add_argument(
        "--keep", metavar="LOW..HIGH", help="pass rates of the tasks to keep, both ends included"
    )
    parser.add_argument(
        "--output", type=Path, metavar="FILE.jsonl", help="write the kept tasks to this new file"
    )
    parser.add_argument(
        "--top", type=int, default=10, metavar="N", help="hardest tasks to show (default: 10)"
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print the profile; 0 unless the command cannot work."""
    folder = RunFolder(args.run_folder)
    env_id = chosen_env(args.env, folder.manifest.environments)
    low_high = None if args.keep is None else read_range(args.keep)
    if args.output is not None and low_high is None:
        raise ConfigError("--output needs --keep LOW..HIGH, such as --keep 0.1..0.9")
    tasks = profile(folder, env_id, args.threshold)
    if low_high is not None and len({t.env_id for t in tasks}) > 1:
        raise ConfigError("--keep needs --env ID: the run has several environments")
    kept = None if low_high is None else within(tasks, *low_high)
    unmeasured = [t.task_id for t in tasks if not t.rollouts]
    if args.output is not None and kept is not None:
        if not kept:
            raise ConfigError(f"no task has a pass rate within {args.keep}: nothing to write")
        write_tasks(folder, kept, args.output)
    if args.json:
        sys.stdout.write(json.dumps(_record(tasks, kept, unmeasured, args.output), indent=2) + "\n")
        return 0
    console = Console(markup=False, highlight=False, soft_wrap=True)
    for env, own in _by_env(tasks).items():
        console.print(env)
        console.print(_band_table(own))
        if args.top > 0:
            console.print(_task_table(hardest(own, args.top)))
    if kept is not None:
        where = "" if args.output is None else f", written to {args.output}"
        console.print(f"kept {len(kept)} of {len(tasks)} tasks{where}")
    if unmeasured:
        Console(stderr=True, soft_wrap=True).print(
            f"{len(unmeasured)} tasks have no rollout that counts and are in no band"
            f"{', nor kept' if kept is not None else ''}: {shortened(unmeasured)}",
            markup=False,
            highlight=False,
        )
    return 0


def chosen_env(name: str | None, environments: Iterable[str]) -> str | None:
    """Return the environment of a run that a name means; the namespace and version may be left out.

    Raises:
        UnknownNameError: the run has no such environment.
    """
    known = list(environments)
    if name is None:
        return None
    for candidate in (name, f"gym_llm/{name}", f"gym_llm/{name}-v0"):
        if candidate in known:
            return candidate
    raise UnknownNameError("environment of the run", name, known)


def read_range(text: str) -> tuple[float, float]:
    """Read a range of pass rates.

    Raises:
        ConfigError: it is not of the form ``LOW..HIGH`` or ``LOW-HIGH``.

    >>> read_range("0.1..0.9"), read_range("0-.5")
    ((0.1, 0.9), (0.0, 0.5))
    """
    found = re.fullmatch(rf"\s*{NUMBER}\s*(?:\.\.|-)\s*{NUMBER}\s*", text)
    if found is None:
        raise ConfigError(f"--keep needs LOW..HIGH such as 0.1..0.9, got {text!r}")
    return float(found[1]), float(found[2])


def shortened(names: Sequence[str], shown: int = NAMES_SHOWN) -> str:
    """Return the first names, and how many more there are."""
    more = f" and {len(names) - shown} more" if len(names) > shown else ""
    return ", ".join(names[:shown]) + more


def _record(
    tasks: Sequence[TaskProfile],
    kept: Sequence[TaskProfile] | None,
    unmeasured: Sequence[str],
    output: Path | None,
) -> dict[str, Any]:
    bands = {
        env_id: {name: sum(t.band == name for t in own) for name in BANDS}
        for env_id, own in _by_env(tasks).items()
    }
    return {
        "bands": bands,
        "tasks": [task.to_dict() for task in tasks],
        "unmeasured": list(unmeasured),
        "kept": None if kept is None else [task.task_id for task in kept],
        "output": None if output is None else str(output),
    }


def _by_env(tasks: Iterable[TaskProfile]) -> dict[str, list[TaskProfile]]:
    found: dict[str, list[TaskProfile]] = {}
    for task in tasks:
        found.setdefault(task.env_id, []).append(task)
    return found


def _band_table(tasks: Sequence[TaskProfile]) -> Table:
    grid = _grid(("band", "pass rate"), ("tasks", "share", "mean reward", "failed"))
    measured = sum(t.rollouts > 0 for t in tasks)
    for name, rates in RATES.items():
        members = [t for t in tasks if t.band == name]
        rewards = [t.mean_reward for t in members if t.mean_reward is not None]
        grid.add_row(
            name,
            rates,
            str(len(members)),
            f"{len(members) / measured:.0%}" if measured else "-",
            f"{sum(rewards) / len(rewards):.3f}" if rewards else "-",
            str(sum(t.failures for t in members)),
        )
    rest = [t for t in tasks if not t.rollouts]
    if rest:
        failed = sum(t.failures for t in rest)
        grid.add_row("not measured", "-", str(len(rest)), "", "-", str(failed))
    return grid


def _task_table(tasks: Sequence[TaskProfile]) -> Table:
    columns = ("pass rate", "95 % interval", "mean reward", "rollouts", "failed")
    grid = _grid(("hardest task",), columns)
    for t in tasks:
        low, high = t.interval or (0.0, 1.0)
        grid.add_row(
            t.task_id,
            f"{t.pass_rate:.3f}",
            f"{low:.3f} .. {high:.3f}",
            f"{t.mean_reward:.3f}",
            str(t.rollouts),
            str(t.failures),
        )
    return grid


def _grid(left: Sequence[str], right: Sequence[str]) -> Table:
    grid = Table(box=None, pad_edge=False)
    for column in left:
        # Folded where the terminal is narrow: the name of a task is never cut.
        grid.add_column(column, overflow="fold")
    for column in right:
        grid.add_column(column, justify="right", no_wrap=True)
    return grid
