"""The progress bar of a run."""

import contextlib
from collections.abc import Iterator

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as Bar

from gym_llm.rollouts.collector import OnProgress, Progress


@contextlib.contextmanager
def progress_bar(console: Console, total: int) -> Iterator[OnProgress]:
    """Show done, failed and in-flight rollouts, the running mean, the cost and the time left."""
    bar = Bar(
        TextColumn("rollouts"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("failed {task.fields[failed]}  in flight {task.fields[in_flight]}"),
        TextColumn("mean {task.fields[mean]}{task.fields[cost]}"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        console=console,
    )
    task = bar.add_task("", total=total, failed=0, in_flight=0, mean="-", cost="")
    shown = [-1.0]

    def show(progress: Progress) -> None:
        # An update costs more than many a rollout, and the bar is drawn ten times a second at most.
        now = bar.get_time()
        if now - shown[0] < 0.1 and progress.done < progress.total:
            return
        shown[0] = now
        bar.update(
            task,
            completed=progress.done,
            failed=progress.failed.total(),
            in_flight=progress.in_flight,
            mean="-" if progress.mean is None else f"{progress.mean:.3f}",
            cost=f"  cost {progress.cost:.2f}" if progress.cost else "",
        )

    with bar:
        yield show
