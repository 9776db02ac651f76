"""``gym-llm eval ID...``: roll out tasks with a model or a baseline, and print what it earned."""

import argparse
import asyncio
import collections
import contextlib
import datetime
import itertools
import shlex
import signal
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from gym_llm.agents.base import AgentFactory
from gym_llm.agents.factory import agent_factory, chat_factory
from gym_llm.agents.human import HumanAgent
from gym_llm.cli.event_loop import run_fast
from gym_llm.cli.options import (
    add_env_options,
    add_model_options,
    env_kwargs,
    model_endpoint,
    positive,
)
from gym_llm.cli.progress import progress_bar
from gym_llm.cli.report import print_failures, print_metrics
from gym_llm.cli.terminal import read_action
from gym_llm.core.text_env import core_of
from gym_llm.errors import ConfigError, EndpointDownError
from gym_llm.registration import find
from gym_llm.rollouts.collector import Collector, Limits, OnProgress, jobs_by_id
from gym_llm.rollouts.metrics import summarise
from gym_llm.rollouts.plan import parse_shard, plan
from gym_llm.rollouts.pool import EnvSetup
from gym_llm.rollouts.records import EnvRecord, Job, Manifest, ModelRecord, TaskRecord
from gym_llm.rollouts.roll import Roller, Rolls
from gym_llm.rollouts.run_folder import RunWriter, digest, task_record, versions
from gym_llm.tasks import TaskSet

if TYPE_CHECKING:
    from gym_llm.models import Endpoint

DEFAULT_GENERATED = 100
"""Tasks of a generated set that are played when ``--limit`` does not say."""
INTERRUPTED = {signal.SIGINT: 130, signal.SIGTERM: 143}
"""Exit codes of a run that a signal broke off."""


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
    run_options = parser.add_argument_group("run")
    add = run_options.add_argument
    add("--limit", type=positive, help="at most so many tasks of each environment")
    add("--repeats", type=positive, default=1, help="rollouts of each task (default: 1)")
    add("--seed", type=int, default=0, help="the run's seed; all others follow from it")
    add("--shard", type=parse_shard, metavar="I/N", help="only the I-th of N parts of the tasks")
    add("--output", type=Path, help="folder of the run (default: runs/TIME)")
    add("--resume", action="store_true", help="go on with the run in --output; failed ones run again")
    add("--keep-failures", action="store_true", help="with --resume: leave failed rollouts as they are")
    limits = parser.add_argument_group("limits")
    add = limits.add_argument
    add("--concurrency", type=positive, default=16, help="rollouts in flight (default: 16)")
    add("--workers", type=int, help="processes that hold the environments (default: what suits them)")
    add("--step-timeout", type=float, metavar="S", help="seconds for a step; needs --workers")
    add("--rollout-timeout", type=float, metavar="S", help="seconds for a rollout")
    add(
        "--run-timeout", type=float, metavar="S", help="seconds for the run; what is left can be resumed"
    )
    add("--ray", action="store_true", help="spread the run over a Ray cluster (RAY_ADDRESS, or local)")
    add = parser.add_argument_group("output").add_argument
    add("--subset", metavar="FIELD", help="metrics for each value of a field of rows or verifications")
    add("--json", action="store_true", help="print the metrics as JSON")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Evaluate; 0 when every rollout counted, 1 when some failed or never ran."""
    # Standard output belongs to the result; what is said on the way goes to standard error.
    console = Console(stderr=True)
    if args.resume and args.output is None:
        raise ConfigError("--resume needs --output, the folder of the run to go on with")
    setups = [_setup(args, info.id) for info in map(find, args.ids)]
    player = _player(args, console)
    tasks = {setup.env_id: _tasks(setup, args) for setup in setups}
    counts = {env_id: len(found) for env_id, found in tasks.items()}
    jobs = plan(counts, args.repeats, args.seed, args.shard)
    output = args.output or Path("runs") / datetime.datetime.now().strftime("%Y%m%d-%H%M%S-%f")
    manifest = _manifest(args, player, setups, tasks)
    with RunWriter(output, manifest, resume=args.resume, keeps_failures=args.keep_failures) as folder:
        if not folder.has_tasks:
            folder.write_tasks(record for found in tasks.values() for record in found)
        todo = [job for job in jobs if job.key not in folder.done]
        with progress_bar(console, len(todo)) as on_progress:
            ended = run_fast(_collect(args, player, setups, todo, folder, on_progress))
        metrics = summarise(
            itertools.chain(folder.rollouts(), folder.failures()),
            expected=jobs_by_id(jobs),
            tasks=folder.tasks(),
            subset=args.subset,
        )
        folder.write_metrics({**metrics.to_dict(), "requests": dict(player.requests)})
        print_metrics(metrics, player.name, output, args.json)
        print_failures(folder, console)
    if ended.is_incomplete:
        console.print(f"to go on: {_resume_command(args.words, output)}", markup=False, soft_wrap=True)
    if ended.down is not None:
        raise ended.down
    if ended.interrupted_by is not None:
        return INTERRUPTED[ended.interrupted_by]
    return 1 if metrics.failures or ended.is_incomplete else 0


@dataclass
class _End:
    """How collecting ended."""

    down: EndpointDownError | None = None
    interrupted_by: signal.Signals | None = None
    is_incomplete: bool = False


async def _collect(
    args: argparse.Namespace,
    player: "_Player",
    setups: list[EnvSetup],
    jobs: list[Job],
    folder: RunWriter,
    on_progress: OnProgress,
) -> _End:
    limits = Limits(
        concurrency=player.concurrency,
        rollout_timeout_s=args.rollout_timeout,
        run_timeout_s=args.run_timeout,
        max_cost=args.max_cost,
    )
    end = _End()
    counts = jobs_by_id(jobs)
    async with contextlib.AsyncExitStack() as stack:
        roller: Rolls
        if args.ray:
            from gym_llm.rollouts.ray_roll import RayRoller

            roller = RayRoller(setups, player.agents, limits, counts)
        else:
            agents = await stack.enter_async_context(player.agents())
            roller = Roller(setups, agents, limits, counts)
        collector = Collector(roller, jobs, on_rollout=folder.add, on_progress=on_progress)
        with _signals(collector, end):
            try:
                await collector.run()
            except EndpointDownError as error:
                end.down = error
    progress = collector.progress
    broken = progress.failed["cancelled"] + progress.failed["budget"]
    end.is_incomplete = progress.done < progress.total or broken > 0
    return end


@contextlib.contextmanager
def _signals(collector: Collector, end: _End) -> Iterator[None]:
    """Let Ctrl-C and SIGTERM stop the collector; a second one ends the process as it would have."""
    loop = asyncio.get_running_loop()

    def stop(number: signal.Signals) -> None:
        end.interrupted_by = number
        loop.remove_signal_handler(number)
        collector.stop(f"interrupted by {number.name}")

    for number in INTERRUPTED:
        loop.add_signal_handler(number, stop, number)
    try:
        yield
    finally:
        for number in INTERRUPTED:
            loop.remove_signal_handler(number)


def _resume_command(words: Sequence[str], output: Path) -> str:
    """Return the command that goes on with the run of a command."""
    words = [word for word in words if word != "--resume"]
    if not any(word == "--output" or word.startswith("--output=") for word in words):
        words = [*words, "--output", str(output)]
    return shlex.join(["gym-llm", *words, "--resume"])


def _setup(args: argparse.Namespace, env_id: str) -> EnvSetup:
    return EnvSetup(env_id, env_kwargs(args), workers=args.workers, step_timeout_s=args.step_timeout)


def _tasks(setup: EnvSetup, args: argparse.Namespace) -> list[TaskRecord]:
    """Make the environment once, before anything is rolled out: a wrong argument is found here."""
    env = setup.make()
    try:
        tasks: TaskSet = core_of(env, "eval").tasks
        default = DEFAULT_GENERATED if args.tasks == "generated" else len(tasks)
        count = min(len(tasks), args.limit or default)
        return [task_record(setup.env_id, tasks[i]) for i in range(count)]
    finally:
        env.close()


def _manifest(
    args: argparse.Namespace,
    player: "_Player",
    setups: list[EnvSetup],
    tasks: Mapping[str, list[TaskRecord]],
) -> Manifest:
    found = versions()
    environments = {
        setup.env_id: EnvRecord(
            kwargs=dict(setup.kwargs),
            version=found["gym_llm"],
            tasks=len(tasks[setup.env_id]),
            digest=digest(tasks[setup.env_id]),
        )
        for setup in setups
    }
    return Manifest(
        agent=player.kind,
        model=player.record,
        seed=args.seed,
        repeats=args.repeats,
        shard=args.shard,
        environments=environments,
        command=args.words,
        versions=found,
        created_at=time.time(),
    )


@dataclass(frozen=True)
class _Player:
    """Who plays, and how many episodes at once."""

    kind: str
    """Name of the agent; ``chat`` for a model."""
    concurrency: int
    factory: AgentFactory | None = None
    """Of an agent without a model."""
    endpoint: "Endpoint | None" = None
    cache: Path | None = None
    """File of the response cache."""
    requests: "collections.Counter[str]" = field(default_factory=collections.Counter)
    """Requests to the model, and those of them that failed, by cause; known when the agents close."""

    @property
    def name(self) -> str:
        """Shown above the results."""
        return self.kind if self.endpoint is None else self.endpoint.model

    @property
    def record(self) -> ModelRecord | None:
        """What the manifest says of the model."""
        if self.endpoint is None:
            return None
        return ModelRecord(
            name=self.endpoint.model,
            base_url=self.endpoint.base_url,
            api=self.endpoint.api,
            params={**self.endpoint.params, **self.endpoint.extra_body},
            sends_seed=self.endpoint.send_seed,
        )

    @contextlib.asynccontextmanager
    async def agents(self) -> AsyncIterator[AgentFactory]:
        """Make the agents' factory, with a client as long as it is needed."""
        if self.factory is not None:
            yield self.factory
            return
        from gym_llm.models import Client, ResponseCache

        assert self.endpoint is not None
        cache = ResponseCache(self.cache) if self.cache is not None else None
        client = Client(self.endpoint, cache)
        try:
            yield chat_factory(client, seeded=self.endpoint.send_seed)
        finally:
            await client.close()
            if cache is not None:
                cache.close()
            self.requests.update({"sent": client.requests, **client.failed_attempts})


def _player(args: argparse.Namespace, console: Console) -> _Player:
    endpoint = model_endpoint(args)
    if args.agent is not None and endpoint is not None:
        raise ConfigError("--agent and --model exclude each other")
    if args.agent == "human":
        return _Player("human", 1, lambda seat: HumanAgent(read_action))
    if endpoint is None:
        if args.agent is None:
            console.print("no model configured (--model, --base-url): the built-in baseline agent plays")
        name = args.agent or "baseline"
        return _Player(name, args.concurrency, agent_factory(name))
    return _Player("chat", args.concurrency, endpoint=endpoint, cache=args.cache)
