"""What a run earned, as a table or as JSON, and what went wrong in it."""

import collections
import json
import sys
from pathlib import Path

from rich.console import Console
from rich.table import Table

from gym_llm.rollouts.metrics import Line, RunMetrics
from gym_llm.rollouts.run_folder import RunFolder

MAX_CAUSES = 8


def print_metrics(metrics: RunMetrics, agent: str, output: Path, as_json: bool) -> None:
    """Print the headline metrics to standard output."""
    if as_json:
        record = {"output": str(output), "agent": agent, "metrics": metrics.to_dict()}
        sys.stdout.write(json.dumps(record, indent=2) + "\n")
        return
    lines = metrics.headline()
    table = Table(title=f"agent: {agent}", title_justify="left", box=None, pad_edge=False)
    for column in ("environment", "metric", "value", "95 % interval", "tasks", "missing"):
        justify = "left" if column in ("environment", "metric", "missing") else "right"
        table.add_column(column, justify=justify, no_wrap=True)  # type: ignore[arg-type]
    previous = None
    for line in lines:
        first = line.env_id != previous
        previous = line.env_id
        table.add_row(line.env_id if first else "", line.metric, *_cells(line), _missing(line, first))
    console = Console(highlight=False, soft_wrap=True)
    if not console.is_terminal:
        console.width = 200  # a file has no edge at which cells would have to be cut
    console.print(table)
    console.print(f"run folder: {output}", markup=False)


def _cells(line: Line) -> tuple[str, str, str]:
    value = "-" if line.value is None else f"{line.value:.3f}"
    interval = "" if line.low is None else f"{line.low:.3f} .. {line.high:.3f}"
    return value, interval, str(line.tasks)


def _missing(line: Line, first: bool) -> str:
    return "; ".join(words for words in (line.missing if first else "", line.note) if words)


def print_failures(folder: RunFolder, console: Console) -> None:
    """Print the commonest causes of failures, each with one of its messages."""
    counts: collections.Counter[tuple[str, str, str]] = collections.Counter()
    messages: dict[tuple[str, str, str], str] = {}
    for rollout in folder.failures():
        failure = rollout.failure
        if failure is not None:
            key = (rollout.env_id, str(failure.kind), failure.cause)
            counts[key] += 1
            messages.setdefault(key, failure.message)
    for key, count in counts.most_common(MAX_CAUSES):
        message = messages[key].partition("\n")[0][:300]
        text = f"{count} failed: {': '.join(key)}: {message}"
        console.print(text, markup=False, highlight=False, soft_wrap=True)
    if len(counts) > MAX_CAUSES:
        console.print(f"and {len(counts) - MAX_CAUSES} more causes, in {folder.path}/failures.jsonl")
