"""``gym-llm compare A B``: what run B earns more or less than run A, task by task; usable as a gate."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from gym_llm.cli.options import add_threshold_option
from gym_llm.rollouts.compare import Difference, EnvComparison, Gate, compare
from gym_llm.rollouts.run_folder import RunFolder, differing

FLIPS_SHOWN = 20


def add_parser(verbs: Any) -> None:
    """Add the verb."""
    parser = verbs.add_parser("compare", help="compare two runs on the tasks that both have")
    parser.add_argument("a", type=Path, metavar="A", help="folder of the run that is the baseline")
    parser.add_argument("b", type=Path, metavar="B", help="folder of the run held against it")
    add_threshold_option(parser)
    parser.add_argument(
        "--gate",
        action="append",
        default=[],
        metavar="METRIC>=BOUND",
        help="exit code 1 unless the lower end of the 95 %% interval of B - A reaches the bound, in "
        "every environment; METRIC is reward or pass",
    )
    parser.add_argument(
        "--fail-below",
        type=float,
        metavar="DELTA",
        help="exit code 1 if the mean reward of B - A is below this in an environment",
    )
    parser.add_argument("--force", action="store_true", help="compare runs of other data by task id")
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print the comparison; 1 when a gate does not hold."""
    gates = [Gate.parse(text) for text in args.gate]
    a, b = RunFolder(args.a), RunFolder(args.b)
    found = compare(a, b, threshold=args.threshold, force=args.force)
    broken = _broken(found, gates, args.fail_below)
    changes = differing(a.manifest, b.manifest)
    if args.json:
        record = {
            "a": str(args.a),
            "b": str(args.b),
            "differences": changes,
            "environments": {c.env_id: c.to_dict() for c in found},
            "broken_gates": broken,
        }
        sys.stdout.write(json.dumps(record, indent=2) + "\n")
    else:
        _print(found, changes, args)
    for line in broken:
        Console(stderr=True, markup=False, highlight=False, soft_wrap=True).print(f"gate: {line}")
    return 1 if broken else 0


def _broken(
    comparisons: Sequence[EnvComparison], gates: Sequence[Gate], fail_below: float | None
) -> list[str]:
    found = []
    for c in comparisons:
        for gate in gates:
            if not gate.holds(c):
                low = c.metrics[gate.metric].low
                shown = "not known, with a single pair" if low is None else f"{low:+.4f}"
                found.append(
                    f"{c.env_id}: the lower end of {gate.metric} is {shown}, below {gate.minimum:+g}"
                )
        mean = c.metrics["reward"].difference
        if fail_below is not None and mean < fail_below:
            found.append(f"{c.env_id}: the reward changed by {mean:+.4f}, below {fail_below:+g}")
    return found


def _print(
    comparisons: Sequence[EnvComparison], changes: Sequence[str], args: argparse.Namespace
) -> None:
    console = Console(markup=False, highlight=False, soft_wrap=True)
    console.print(f"A: {args.a}\nB: {args.b}")
    for change in changes:
        console.print(f"   {change.replace(' was ', ': A ', 1).replace(', now ', ', B ')}")
    for c in comparisons:
        console.print(f"\n{c.env_id}: {_counts(c)}")
        console.print(_table(c))
        flips = f"{len(c.won)} won, {len(c.lost)} lost, {c.both} passed by both, {c.neither} by neither"
        console.print(f"tasks: {flips}; McNemar's exact test: p = {c.p_value:.4f}")
        for name, ids in (("won", c.won), ("lost", c.lost)):
            if ids:
                more = f" and {len(ids) - FLIPS_SHOWN} more" if len(ids) > FLIPS_SHOWN else ""
                console.print(f"{name}: {', '.join(ids[:FLIPS_SHOWN])}{more}")
        console.print(c.verdict, style="bold")


def _counts(c: EnvComparison) -> str:
    return (
        f"{c.pairs} tasks in both, {len(c.only_a)} only in A, {len(c.only_b)} only in B; "
        f"failed rollouts: {c.failed_a} in A, {c.failed_b} in B"
    )


def _table(c: EnvComparison) -> Table:
    grid = Table(box=None, pad_edge=False)
    grid.add_column("metric", no_wrap=True)
    for column in ("A", "B", "B - A", "95 % interval", "detectable"):
        grid.add_column(column, justify="right", no_wrap=True)
    for metric, d in c.metrics.items():
        grid.add_row("mean reward" if metric == "reward" else "pass rate", *_cells(d))
    return grid


def _cells(d: Difference) -> tuple[str, ...]:
    interval = "-" if d.low is None else f"{d.low:+.4f} .. {d.high:+.4f}"
    detectable = "-" if d.detectable is None else f"{d.detectable:.4f}"
    return f"{d.a:.4f}", f"{d.b:.4f}", f"{d.difference:+.4f}", interval, detectable
