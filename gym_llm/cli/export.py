"""``gym-llm export RUN``: a run in the form that another tool reads."""

import argparse
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gym_llm.cli.options import positive
from gym_llm.errors import ConfigError
from gym_llm.rollouts.run_folder import RunFolder

Result = dict[str, Any]
"""What ``--json`` prints."""


@dataclass(frozen=True)
class Format:
    """One form of export."""

    summary: str
    options: tuple[str, ...]
    """Names of the options that it takes, as argparse keeps them."""
    write: Callable[[RunFolder, argparse.Namespace], Result]
    needs_output: bool = True


def add_parser(verbs: Any) -> None:
    """Add the verb."""
    parser = verbs.add_parser(
        "export",
        help="write a run in the form that another tool reads",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="formats:\n" + "\n".join(f"  {name:12} {f.summary}" for name, f in FORMATS.items()),
    )
    parser.add_argument("folder", type=Path, metavar="RUN", help="folder of the run")
    parser.add_argument("--format", required=True, choices=FORMATS)
    parser.add_argument("--output", type=Path, help="file or folder to make; must not exist")
    parser.add_argument("--failures", action="store_true", default=None, help="hf: failed rollouts too")
    parser.add_argument(
        "--min-reward", type=float, help="sft: lowest reward (default: anything above 0)"
    )
    parser.add_argument("--best", type=positive, help="sft: rollouts of each task (default: 1)")
    parser.add_argument(
        "--margin", type=float, help="preferences: least difference of rewards (default: above 0)"
    )
    parser.add_argument("--pairs", type=positive, help="preferences: pairs of each task (default: 1)")
    parser.add_argument(
        "--drop-reasoning",
        action="store_true",
        default=None,
        help="sft, preferences: leave out reasoning_content",
    )
    parser.add_argument("--project", help="wandb, mlflow: project or experiment (default: gym_llm)")
    parser.add_argument(
        "--name", help="wandb, mlflow: name of the run there (default: that of the folder)"
    )
    parser.add_argument(
        "--offline",
        action="store_true",
        default=None,
        help="wandb, mlflow: write to this machine only, into --output",
    )
    parser.add_argument(
        "--artifact", action="store_true", default=None, help="wandb, mlflow: upload the run's files too"
    )
    parser.add_argument(
        "--rows", type=positive, help="wandb, mlflow: rollouts in the table (default: 1000)"
    )
    parser.add_argument("--json", action="store_true", help="print what was written as JSON")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Export; 0 also when no rollout met the conditions."""
    chosen = FORMATS[args.format]
    _check_options(args, chosen)
    result = {"format": args.format, **chosen.write(RunFolder(args.folder), args)}
    if args.json:
        sys.stdout.write(json.dumps(result) + "\n")
    else:
        counts = [f"{value} {name}" for name, value in result.items() if isinstance(value, int)]
        lines = [f"{', '.join(counts) or args.format}:", *result["outputs"]]
        sys.stdout.write(("\n" if len(lines) > 2 else " ").join(lines) + "\n")
    return 0


def _check_options(args: argparse.Namespace, chosen: Format) -> None:
    given = {name for f in FORMATS.values() for name in f.options if getattr(args, name) is not None}
    for name in sorted(given - {*chosen.options}):
        raise ConfigError(f"--{name.replace('_', '-')} is not an option of --format {args.format}")
    if chosen.needs_output and args.output is None:
        raise ConfigError(f"--format {args.format} needs --output")


def _options(args: argparse.Namespace, *names: str) -> dict[str, Any]:
    """Return those options that were given."""
    return {name: value for name in names if (value := getattr(args, name)) is not None}


def _write_table(run: RunFolder, args: argparse.Namespace) -> Result:
    import datasets

    from gym_llm.exports.hub import write_dataset

    # The bars of datasets would say how far its cache is, which nobody asked for.
    datasets.disable_progress_bars()
    rows = write_dataset(run, args.output, **_options(args, "failures"))
    return {"rollouts": rows, "outputs": [str(args.output)]}


def _write_sft(run: RunFolder, args: argparse.Namespace) -> Result:
    from gym_llm.exports.sft import write_sft

    options = _options(args, "min_reward", "best")
    count = write_sft(run, args.output, with_reasoning=not args.drop_reasoning, **options)
    return {"examples": count, "outputs": [str(args.output)]}


def _write_preferences(run: RunFolder, args: argparse.Namespace) -> Result:
    from gym_llm.exports.preferences import write_preferences

    options = _options(args, "margin", "pairs")
    count = write_preferences(run, args.output, with_reasoning=not args.drop_reasoning, **options)
    return {"pairs": count, "outputs": [str(args.output)]}


def _write_nemo(run: RunFolder, args: argparse.Namespace) -> Result:
    from gym_llm.exports.files import refuse_existing
    from gym_llm.rollouts.nemo import write_rollouts

    refuse_existing(args.output)
    return {"outputs": [str(path) for path in write_rollouts(run, args.output)]}


def _write_inspect(run: RunFolder, args: argparse.Namespace) -> Result:
    from gym_llm.exports.inspect_log import write_inspect_logs

    paths = write_inspect_logs(run, args.output)
    return {"logs": len(paths), "outputs": [str(path) for path in paths]}


def _log_to_wandb(run: RunFolder, args: argparse.Namespace) -> Result:
    from gym_llm.exports.wandb import log_run

    return {"outputs": [log_run(run, folder=args.output, **_options(args, *_TRACKER))]}


def _log_to_mlflow(run: RunFolder, args: argparse.Namespace) -> Result:
    from gym_llm.exports.mlflow import log_run

    if args.output is not None and not args.offline:
        raise ConfigError("--format mlflow takes --output only with --offline")
    return {"outputs": [log_run(run, folder=args.output, **_options(args, *_TRACKER))]}


_TRACKER = ("project", "name", "offline", "artifact", "rows")

FORMATS = {
    "hf": Format(
        "data set: a folder for load_from_disk, a .parquet or a .jsonl file", ("failures",), _write_table
    ),
    "sft": Format(
        "chat JSONL of the best rollouts", ("min_reward", "best", "drop_reasoning"), _write_sft
    ),
    "preferences": Format(
        "JSONL of chosen and rejected rollouts",
        ("margin", "pairs", "drop_reasoning"),
        _write_preferences,
    ),
    "nemo-gym": Format("rollouts as NeMo Gym writes them", (), _write_nemo),
    "inspect": Format(
        "logs for inspect view: a .eval file, or a folder of one for each environment",
        (),
        _write_inspect,
    ),
    "wandb": Format("log to Weights & Biases", _TRACKER, _log_to_wandb, needs_output=False),
    "mlflow": Format("log to MLflow", _TRACKER, _log_to_mlflow, needs_output=False),
}
