"""``gym-llm merge RUN RUN... --output DIR``: the shards of a run as one run."""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from rich.console import Console


def add_parser(verbs: Any) -> None:
    """Add the verb."""
    parser = verbs.add_parser("merge", help="merge the shards of a run into one run")
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="folder of a shard")
    parser.add_argument("--output", type=Path, required=True, metavar="DIR", help="folder of the run")
    parser.add_argument(
        "--partial", action="store_true", help="merge what there is when shards or rollouts are missing"
    )
    parser.add_argument(
        "--any-versions",
        action="store_true",
        help="merge shards that were made with different versions of packages",
    )
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Merge; 0 when the merged run is written."""
    from gym_llm.rollouts.merge import merge

    merged = merge(
        args.runs,
        args.output,
        partial=args.partial,
        any_versions=args.any_versions,
        command=["merge", *map(str, args.runs), "--output", str(args.output)],
    )
    said = Console(stderr=True, highlight=False, soft_wrap=True)
    for note in merged.notes:
        said.print(f"note: {note}", markup=False)
    if args.json:
        record = {
            "output": str(args.output),
            "runs": [str(path) for path in args.runs],
            "rollouts": merged.rollouts,
            "failures": merged.failures,
            "missing": merged.missing_rollouts,
            "missing_tasks": merged.missing,
            "notes": merged.notes,
        }
        sys.stdout.write(json.dumps(record, indent=2) + "\n")
        return 0
    missing = f", {merged.missing_rollouts} missing" if merged.missing_rollouts else ""
    sys.stdout.write(
        f"{merged.rollouts} rollouts that count, {merged.failures} failed{missing}\n"
        f"run folder: {args.output}\n"
    )
    return 0
