"""Rollouts on a real Ray cluster of two nodes, one of which is lost in the middle of a run."""

import asyncio
import contextlib
import functools
import os
import subprocess
import sys
import time
import warnings
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from gym_llm.agents.base import AgentFactory, Seat
from gym_llm.agents.factory import AGENTS
from gym_llm.rollouts.collector import Collector, EnvSetup, Limits, collect, jobs_by_id
from gym_llm.rollouts.plan import plan
from gym_llm.rollouts.records import Job, Rollout
from gym_llm.rollouts.run_folder import RunFolder
from tests.support.ray_cluster import IGNORED_WARNINGS, NODE, started_cluster
from tests.support.registered import registered
from tests.support.stubborn_envs import row

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    ray: Any = pytest.importorskip("ray")

pytestmark = IGNORED_WARNINGS
MCQA, STUBBORN = "gym_llm/MCQA-v0", "test/Stubborn-v0"


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    with started_cluster() as found:
        found.add_node(**NODE)
        found.wait_for_nodes()
        yield found


class Slow:
    """Takes its time to say yes."""

    def __init__(self, wait_s: float) -> None:
        self.wait_s = wait_s

    async def act(self, observation: str, info: dict[str, Any]) -> str:
        await asyncio.sleep(self.wait_s)
        return "yes"


def slow(wait_s: float, seat: Seat) -> Slow:
    return Slow(wait_s)


@contextlib.asynccontextmanager
async def opened(factory: AgentFactory) -> AsyncIterator[AgentFactory]:
    yield factory


class Run:
    """A collector over the cluster that keeps its rollouts."""

    def __init__(self, jobs: list[Job], agents: AgentFactory, concurrency: int, **setup: Any) -> None:
        from gym_llm.rollouts.ray_roll import RayRoller

        self.rollouts: list[Rollout] = []
        setups = [EnvSetup(env_id, **setup) for env_id in dict.fromkeys(j.env_id for j in jobs)]
        opening = functools.partial(opened, agents)
        self.roller = RayRoller(setups, opening, Limits(concurrency=concurrency), jobs_by_id(jobs))
        self.collector = Collector(self.roller, jobs, on_rollout=self.rollouts.append)

    @property
    def by_key(self) -> list[Rollout]:
        return sorted(self.rollouts, key=lambda r: r.key)


async def finished(run: Run) -> None:
    async with asyncio.timeout(120):
        await run.collector.run()


def make_and_run(*args: Any, **setup: Any) -> Run:
    async def main() -> Run:
        run = Run(*args, **setup)
        await finished(run)
        return run

    return asyncio.run(main())


def tasks(count: int, faults: dict[int, str] | None = None) -> dict[str, Any]:
    return {"tasks": [row(n, (faults or {}).get(n, "")) for n in range(count)]}


@pytest.mark.usefixtures("cluster")
def test_the_records_are_those_of_a_local_run() -> None:
    jobs = plan({MCQA: 6}, 3, 5)
    run = make_and_run(jobs, AGENTS["random"], 8)
    local = asyncio.run(collect([EnvSetup(MCQA)], jobs, AGENTS["random"]))
    expected = sorted(local, key=lambda r: r.key)
    assert [r.without_times() for r in run.by_key] == [r.without_times() for r in expected]
    assert run.collector.progress.done == 18


@pytest.mark.usefixtures("cluster")
def test_an_environment_that_ends_its_process_costs_only_its_own_rollout() -> None:
    jobs = plan({STUBBORN: 12}, 1, 0)
    with registered(STUBBORN, "tests.support.stubborn_envs:StubbornEnv"):
        run = make_and_run(
            jobs, functools.partial(slow, 0.01), 6, kwargs=tasks(12, {4: "exit", 7: "raise"})
        )
    kinds = {r.task_index: r.failure.kind for r in run.rollouts if r.failure}
    assert kinds == {4: "env_crash", 7: "env_error"}
    assert sum(r.reward for r in run.rollouts) == 10


@pytest.mark.usefixtures("cluster")
def test_stopping_cancels_what_is_in_flight() -> None:
    jobs = plan({STUBBORN: 8}, 1, 0)

    async def main() -> Run:
        run = Run(jobs, functools.partial(slow, 3600.0), 4, kwargs=tasks(8))
        running = asyncio.create_task(finished(run))
        while run.collector.progress.in_flight < 4:
            await asyncio.sleep(0.01)
        await asyncio.sleep(3)
        begun = time.monotonic()
        run.collector.stop("enough")
        await running
        assert time.monotonic() - begun < 20
        return run

    with registered(STUBBORN, "tests.support.stubborn_envs:StubbornEnv"):
        run = asyncio.run(main())
    assert [r.failure.kind if r.failure else "" for r in run.rollouts] == ["cancelled"] * 4


def test_the_command_line_spreads_a_run(cluster: Any, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "gym_llm", "eval", "MCQA", "--agent", "random", "--repeats", "2"]
    environ = {**os.environ, "RAY_ADDRESS": cluster.address}
    for name, more in (("local", []), ("spread", ["--ray"])):
        output = ["--output", str(tmp_path / name)]
        done = subprocess.run([*command, *output, *more], env=environ, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    local, spread = (RunFolder(tmp_path / name).everything() for name in ("local", "spread"))
    assert [r.without_times() for r in spread] == [r.without_times() for r in local]


def test_a_node_lost_in_the_middle_of_a_run_costs_nothing(cluster: Any) -> None:
    doomed = next(node for node in cluster.list_all_nodes() if node is not cluster.head_node)
    jobs = plan({STUBBORN: 40}, 1, 0)

    async def main() -> Run:
        run = Run(jobs, functools.partial(slow, 0.5), 8, kwargs=tasks(40))
        running = asyncio.create_task(finished(run))
        while run.collector.progress.done < 8:
            assert not running.done()
            await asyncio.sleep(0.01)
        await asyncio.to_thread(cluster.remove_node, doomed, allow_graceful=False)
        await running
        return run

    with registered(STUBBORN, "tests.support.stubborn_envs:StubbornEnv"):
        run = asyncio.run(main())
    assert [r.task_index for r in run.by_key] == list(range(40))
    assert {(r.state, r.reward) for r in run.rollouts} == {("completed", 1.0)}
