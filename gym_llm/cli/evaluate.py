"""``gym-llm eval ID...``: roll out tasks with a model or a baseline, and print what it earned."""

import argparse
import asyncio
import contextlib
import datetime
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as Bar
from rich.table import Table

from gym_llm.agents.factory import AgentFactory, agent_factory, chat_factory
from gym_llm.agents.human import HumanAgent
from gym_llm.cli.options import add_env_options, add_model_options, endpoint_config, env_kwargs
from gym_llm.cli.terminal import read_action
from gym_llm.core.text_env import core_of
from gym_llm.errors import ConfigError, EndpointDownError
from gym_llm.registration import find
from gym_llm.rollouts.collect import EnvSetup, OnProgress, OnRollout, Progress, collect
from gym_llm.rollouts.metrics import EnvMetrics, Estimate, summarise
from gym_llm.rollouts.records import Job, Rollout
from gym_llm.rollouts.run_folder import RunFolder
from gym_llm.tasks import TaskSet

if TYPE_CHECKING:
    from gym_llm.models import Client

DEFAULT_GENERATED = 100
"""Tasks of a generated set that are played when ``--limit`` does not say."""


def add_parser(verbs: Any) -> None:
    """Add the verb."""
    parser = verbs.add_parser("eval", help="evaluate a model, or a baseline when no model is named")
    parser.add_argument(
        "ids", nargs="+", metavar="ID", help="environment ids; gym_llm/ and -v0 may be left out"
    )
    add_env_options(parser)
    add_model_options(parser)
    parser.add_argument(
        "--agent",
        help="baseline, random, reference, null, heuristic or human (default: the model, else baseline)",
    )
    parser.add_argument("--limit", type=_positive, help="at most so many tasks of each environment")
    parser.add_argument(
        "--repeats", type=_positive, default=1, help="rollouts of each task (default: 1)"
    )
    parser.add_argument(
        "--concurrency", type=_positive, default=16, help="rollouts in flight (default: 16)"
    )
    parser.add_argument("--seed", type=int, default=0, help="the run's seed; all others follow from it")
    parser.add_argument("--output", type=Path, help="folder of the run (default: runs/TIME)")
    parser.add_argument("--json", action="store_true", help="print the metrics as JSON")
    parser.set_defaults(run=run)


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"must be 1 or more, got {value}")
    return value


def run(args: argparse.Namespace) -> int:
    """Evaluate; 0 when every rollout counted, 1 when some failed."""
    # Standard output belongs to the result; what is said on the way goes to standard error.
    console = Console(stderr=True)
    setups = {info.id: EnvSetup(info.id, env_kwargs(args)) for info in map(find, args.ids)}
    tasks = {env_id: _tasks(setup) for env_id, setup in setups.items()}
    jobs = [
        Job.of(env_id, task, repeat, args.seed)
        for env_id, task_set in tasks.items()
        for task in range(_count(task_set, args))
        for repeat in range(args.repeats)
    ]
    player = _player(args, console)
    output = args.output or Path("runs") / datetime.datetime.now().strftime("%Y%m%d-%H%M%S-%f")
    manifest = {"agent": player.name, "ids": [*setups], "arguments": _arguments(args)}
    rollouts: list[Rollout] = []
    down: EndpointDownError | None = None
    with RunFolder(output, manifest) as folder:
        for env_id, task_set in tasks.items():
            folder.add_tasks(env_id, (task_set[i] for i in range(_count(task_set, args))))

        def keep(rollout: Rollout) -> None:
            folder.add_rollout(rollout)
            rollouts.append(rollout)

        try:
            with _progress_bar(console, len(jobs)) as on_progress:
                asyncio.run(_collect(player, [*setups.values()], jobs, keep, on_progress))
        except EndpointDownError as error:
            down = error
        metrics = summarise(rollouts)
        folder.write_metrics(metrics.values())
    _print_result(metrics, player.name, output, args.json)
    _print_failures(rollouts, console)
    if down is not None:
        raise down
    return 1 if any(not r.counts for r in rollouts) else 0


def _tasks(setup: EnvSetup) -> TaskSet:
    """Make the environment once, before anything is rolled out: a wrong argument is found here."""
    env = setup.make()
    try:
        return core_of(env, "eval").tasks
    finally:
        env.close()


def _count(tasks: TaskSet, args: argparse.Namespace) -> int:
    default = DEFAULT_GENERATED if args.tasks == "generated" else len(tasks)
    return min(len(tasks), args.limit or default)


@dataclass(frozen=True)
class _Player:
    """Who plays, and how many episodes at once."""

    name: str
    agents: AgentFactory
    concurrency: int
    client: "Client | None" = None


def _player(args: argparse.Namespace, console: Console) -> _Player:
    endpoint = endpoint_config(args)
    if args.agent is not None and endpoint is not None:
        raise ConfigError("--agent and --model exclude each other")
    if args.agent == "human":
        return _Player("human", lambda env, info, seed: HumanAgent(read_action), 1)
    if endpoint is None:
        if args.agent is None:
            console.print("no model configured (--model, --base-url): the built-in baseline agent plays")
        name = args.agent or "baseline"
        return _Player(name, agent_factory(name), args.concurrency)
    from gym_llm.models import Client, Endpoint

    client = Client(Endpoint.from_config(endpoint))
    return _Player(args.model, chat_factory(client, seeded=args.send_seed), args.concurrency, client)


async def _collect(
    player: _Player, setups: list[EnvSetup], jobs: list[Job], keep: OnRollout, on_progress: OnProgress
) -> None:
    try:
        await collect(
            setups,
            jobs,
            player.agents,
            concurrency=player.concurrency,
            on_rollout=keep,
            on_progress=on_progress,
        )
    finally:
        if player.client is not None:
            await player.client.close()


def _arguments(args: argparse.Namespace) -> dict[str, Any]:
    return {k: v for k, v in vars(args).items() if k not in ("run", "verb")}


@contextlib.contextmanager
def _progress_bar(console: Console, total: int) -> Iterator[OnProgress]:
    """Show done, failed and in-flight rollouts, the running mean and the time left."""
    bar = Bar(
        TextColumn("rollouts"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("failed {task.fields[failed]}  in flight {task.fields[in_flight]}"),
        TextColumn("mean {task.fields[mean]}"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        console=console,
    )
    task = bar.add_task("", total=total, failed=0, in_flight=0, mean="-")

    def show(progress: Progress) -> None:
        mean = "-" if progress.mean is None else f"{progress.mean:.3f}"
        bar.update(
            task,
            completed=progress.done,
            failed=progress.failed,
            in_flight=progress.in_flight,
            mean=mean,
        )

    with bar:
        yield show


def _print_result(metrics: dict[str, EnvMetrics], agent: str, output: Path, as_json: bool) -> None:
    if as_json:
        record = {
            "output": str(output),
            "agent": agent,
            "metrics": {k: m.to_dict() for k, m in metrics.items()},
        }
        sys.stdout.write(json.dumps(record, indent=2) + "\n")
        return
    grid = Table(title=f"agent: {agent}", title_justify="left", box=None, pad_edge=False)
    for column in ("environment", "metric", "value", "95 % interval", "tasks"):
        grid.add_column(
            column, justify="left" if column in ("environment", "metric") else "right", no_wrap=True
        )
    for m in metrics.values():
        rows = {"mean reward": m.mean_reward, **{f"pass@{k}": e for k, e in m.pass_at.items()}}
        for number, (metric, estimate) in enumerate(rows.items()):
            grid.add_row("" if number else m.env_id, metric, *_cells(estimate))
        grid.add_row("", "failed", f"{m.failed} of {m.rollouts}", "", "")
    console = Console(highlight=False, soft_wrap=True)
    console.print(grid)
    console.print(f"run folder: {output}", markup=False)


def _cells(estimate: Estimate | None) -> tuple[str, str, str]:
    if estimate is None:
        return "-", "", "0"
    interval = "" if estimate.low is None else f"{estimate.low:.3f} .. {estimate.high:.3f}"
    return f"{estimate.value:.3f}", interval, str(estimate.tasks)


def _print_failures(rollouts: Sequence[Rollout], console: Console) -> None:
    causes: dict[str, int] = {}
    for rollout in rollouts:
        if rollout.failure is not None:
            cause = f"{rollout.env_id}: {rollout.failure['kind']}: {rollout.failure['message']}"
            causes[cause] = causes.get(cause, 0) + 1
    for cause, count in sorted(causes.items(), key=lambda item: -item[1])[:5]:
        console.print(f"{count} failed: {cause}", markup=False, highlight=False, soft_wrap=True)
