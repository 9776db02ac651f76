"""Collecting: order, seeds, groups, limits, failures that stay small, an endpoint that is down."""

import asyncio
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from gym_llm.agents.base import Seat
from gym_llm.agents.factory import AGENTS
from gym_llm.errors import ConfigError, EndpointDownError, ModelError
from gym_llm.rollouts.actions import actions_of
from gym_llm.rollouts.collector import Collector, EnvSetup, Limits, Progress, collect, jobs_by_id
from gym_llm.rollouts.plan import plan
from gym_llm.rollouts.records import Job, Rollout
from gym_llm.rollouts.roll import Roller
from tests.support.registered import registered
from tests.support.stubborn_envs import row

MCQA, COUNTER, STUBBORN = "gym_llm/MCQA-v0", "test/Counter-v0", "test/Stubborn-v0"
CALL = '<tool_call>{"name": "add", "arguments": {"amount": 3}}</tool_call>'


@pytest.fixture(autouse=True)
def _ids() -> Iterator[None]:
    counter = registered(COUNTER, "tests.support.envs:CounterEnv")
    stubborn = registered(STUBBORN, "tests.support.stubborn_envs:StubbornEnv")
    with counter, stubborn:
        yield


class Scripted:
    """Plays its actions in order; raises the ones that are exceptions, sleeps for the numbers."""

    def __init__(self, *script: str | float | Exception) -> None:
        self.script = list(script)

    async def act(self, observation: str, info: dict[str, Any]) -> str:
        await asyncio.sleep(0)
        action = self.script.pop(0)
        while isinstance(action, float):
            await asyncio.sleep(action)
            action = self.script.pop(0)
        if isinstance(action, Exception):
            raise action
        return action


def run(jobs: list[Job], agents: Any, limits: Limits | None = None, **setup: Any) -> list[Rollout]:
    setups = [EnvSetup(env_id, **setup) for env_id in dict.fromkeys(job.env_id for job in jobs)]
    return asyncio.run(collect(setups, jobs, agents, limits))


def stubborn(faults: dict[int, str], count: int = 8, turns: int = 1) -> dict[str, Any]:
    """Return the arguments of a stubborn environment whose tasks have these faults."""
    return {"tasks": [row(n, faults.get(n, ""), turns) for n in range(count)]}


def says_yes(seat: Seat) -> Scripted:
    return Scripted(*["yes"] * 9)


def test_results_come_in_the_order_of_the_jobs() -> None:
    jobs = plan({MCQA: 8}, 3, 0)
    found = run(jobs, AGENTS["reference"], Limits(concurrency=5))
    assert [r.key for r in found] == [job.key for job in jobs]
    assert all(r.reward == 1.0 and r.state == "completed" for r in found)


@pytest.mark.parametrize(("concurrency", "workers"), [(7, 0), (64, 0), (512, 0), (7, 2)])
@pytest.mark.parametrize("env_id", [MCQA, "gym_llm/Blackjack-v0"])
def test_same_seed_same_records_at_any_concurrency(env_id: str, concurrency: int, workers: int) -> None:
    jobs = plan({env_id: 5}, 4, 3)
    alone = [r.without_times() for r in run(jobs, AGENTS["random"], Limits(concurrency=1))]
    found = run(jobs, AGENTS["random"], Limits(concurrency=concurrency), workers=workers)
    assert [r.without_times() for r in found] == alone
    assert len({r["reward"] for r in alone}) > 1


def test_seeds_follow_from_the_place_not_from_the_order() -> None:
    assert Job.of(MCQA, 3, 1, 0) in plan({MCQA: 8}, 2, 0)
    seeds = {job.seeds for s in (0, 1) for job in plan({MCQA: 8}, 2, s)}
    assert len(seeds) == 32
    assert all(len({s.env, s.sampling, s.judge}) == 3 for s in seeds)


def test_transcript_and_rewards_are_recorded() -> None:
    (rollout,) = run(plan({COUNTER: 1}, 1, 0), lambda seat: Scripted(CALL, "done"))
    assert [m["role"] for m in rollout.messages] == ["user", "assistant", "tool", "assistant"]
    assert (rollout.turns, rollout.step_rewards, rollout.rewards) == (
        2,
        [0.0, 2.0],
        {"goal": 1.0, "close": 1.0},
    )
    assert rollout.actions is None
    assert len(actions_of(rollout)) == 2


def test_turn_limit_gives_a_truncated_rollout_that_counts() -> None:
    (rollout,) = run(plan({COUNTER: 1}, 1, 0), lambda seat: Scripted(*[CALL] * 9))
    assert (rollout.state, rollout.counts, rollout.turns) == ("truncated", True, 4)


def test_a_run_limits_turns_whatever_the_environment_says() -> None:
    found = run(plan({STUBBORN: 1}, 1, 0), says_yes, Limits(max_turns=3), kwargs=stubborn({}, 1, 9))
    assert [(r.state, r.turns) for r in found] == [("truncated", 3)]


def test_a_reward_that_is_no_number_fails_its_rollout() -> None:
    kwargs = stubborn({1: "nan"}, 3, turns=2)
    found = run(plan({STUBBORN: 3}, 1, 0), says_yes, kwargs=kwargs)
    failed = [(r.task_index, r.failure.message) for r in found if r.failure]
    assert failed == [(1, "the environment paid a reward of nan")]


def test_every_failure_has_its_kind_and_touches_no_other() -> None:
    faults = {0: "raise", 1: "judge", 2: "verifier"}
    errors: dict[int, Exception] = {
        3: ModelError("status 400", kind="model_http", cause="HTTP 400"),
        4: ModelError("too slow", kind="model_timeout", cause="no answer in time"),
        5: RuntimeError("the agent is confused"),
    }

    def agents(seat: Seat) -> Scripted:
        return Scripted(errors.get(seat.task, "yes"))

    found = run(plan({STUBBORN: 8}, 1, 0), agents, Limits(concurrency=3), kwargs=stubborn(faults))
    failures = {r.task_index: (r.failure.kind, r.failure.cause) for r in found if r.failure}
    assert failures == {
        0: ("env_error", "ValueError"),
        1: ("judge_error", "JudgeError"),
        2: ("verifier_error", "VerifierError"),
        3: ("model_http", "HTTP 400"),
        4: ("model_timeout", "no answer in time"),
        5: ("env_error", "RuntimeError"),
    }
    assert {r.task_index: r.reward for r in found if r.counts} == {6: 1.0, 7: 1.0}
    broken = next(r for r in found if r.task_index == 0)
    assert [m["role"] for m in broken.messages] == ["user", "assistant"]
    assert broken.failure is not None
    assert "respond" in broken.failure.traceback


@pytest.mark.parametrize("threads", [0, 4])
def test_an_environment_that_ends_its_process_costs_only_its_own_rollout(threads: int) -> None:
    faults = {3: "exit", 7: "exit", 12: "exit"}
    kwargs = stubborn(faults, 16, turns=2)
    jobs = plan({STUBBORN: 16}, 2, 0)

    def agents(seat: Seat) -> Scripted:
        return Scripted(0.02, "yes", 0.02, "yes")

    found = run(jobs, agents, Limits(concurrency=16), kwargs=kwargs, workers=2, threads=threads)
    crashed = [r for r in found if r.state == "failed"]
    assert sorted(r.task_index for r in crashed) == [3, 3, 7, 7, 12, 12]
    assert {r.failure.kind for r in crashed if r.failure} == {"env_crash"}
    assert all(r.reward == 1.0 for r in found if r.counts)


def test_a_step_that_hangs_is_ended_and_costs_only_its_own_rollout() -> None:
    kwargs = stubborn({2: "hang"}, 6)
    found = run(
        plan({STUBBORN: 6}, 1, 0),
        says_yes,
        Limits(concurrency=6),
        kwargs=kwargs,
        workers=1,
        step_timeout_s=0.5,
    )
    failed = {r.task_index: r.failure for r in found if r.failure}
    assert list(failed) == [2]
    assert failed[2].kind == "env_error"
    assert failed[2].cause == "StepTimeout"


def test_a_rollout_that_takes_too_long_is_ended() -> None:
    def agents(seat: Seat) -> Scripted:
        return Scripted(3600.0 if seat.task == 1 else 0.0, "yes")

    limits = Limits(concurrency=2, rollout_timeout_s=0.5)
    found = run(plan({STUBBORN: 4}, 1, 0), agents, limits, kwargs=stubborn({}, 4))
    failed = [(r.task_index, r.failure.kind, r.failure.cause) for r in found if r.failure]
    assert failed == [(1, "budget", "rollout deadline")]


def test_an_environment_that_nobody_waits_for_any_more_is_not_lent_out() -> None:
    limits = Limits(concurrency=2, rollout_timeout_s=0.1)
    kwargs = stubborn(dict.fromkeys(range(3), "slow"), 6)
    found = run(plan({STUBBORN: 6}, 1, 0), says_yes, limits, kwargs=kwargs, threads=2)
    assert {r.task_index: r.state for r in found} == {
        **dict.fromkeys(range(3), "failed"),
        **dict.fromkeys(range(3, 6), "completed"),
    }


def test_an_environment_that_cannot_be_made_fails_its_own_rollouts_only() -> None:
    setups = [EnvSetup(MCQA, {"tasks": "nowhere.jsonl"}), EnvSetup(STUBBORN, stubborn({}, 2))]
    jobs = plan({MCQA: 2, STUBBORN: 2}, 1, 0)
    found = asyncio.run(collect(setups, jobs, says_yes))
    assert [(r.env_id, r.state) for r in found] == [
        (MCQA, "failed"),
        (MCQA, "failed"),
        (STUBBORN, "completed"),
        (STUBBORN, "completed"),
    ]
    assert found[0].failure is not None
    assert "nowhere.jsonl" in found[0].failure.message


def test_groups_are_complete_and_in_order() -> None:
    groups: list[list[tuple[int, int]]] = []

    def take(group: list[Rollout]) -> None:
        groups.append([(r.task_index, r.repeat) for r in group])

    jobs = plan({MCQA: 4}, 3, 0)
    asyncio.run(collect([EnvSetup(MCQA)], jobs, AGENTS["random"], Limits(5), on_group=take))
    assert sorted(groups) == [[(task, repeat) for repeat in range(3)] for task in range(4)]


class Collected:
    """Runs a collector and keeps its rollouts."""

    def __init__(self, jobs: list[Job], agents: Any, limits: Limits, **setup: Any) -> None:
        self.rollouts: list[Rollout] = []
        setups = [EnvSetup(env_id, **setup) for env_id in dict.fromkeys(j.env_id for j in jobs)]
        roller = Roller(setups, agents, limits, jobs_by_id(jobs))
        self.collector = Collector(roller, jobs, on_rollout=self.rollouts.append)

    @property
    def kinds(self) -> list[str]:
        return sorted(r.failure.kind if r.failure else r.state for r in self.rollouts)


def test_endpoint_down_stops_the_run_and_keeps_what_is_finished() -> None:
    def agents(seat: Seat) -> Scripted:
        down = EndpointDownError("nothing listens at http://x", cause="nothing listens")
        return Scripted(0.05, down) if seat.task == 3 else Scripted(0.05, "no")

    jobs = [Job.of(MCQA, task, 0, 0) for task in range(8)]
    work = Collected(jobs, agents, Limits(concurrency=1))
    with pytest.raises(EndpointDownError, match="nothing listens at http://x"):
        asyncio.run(work.collector.run())
    assert [r.task_index for r in work.rollouts] == [0, 1, 2, 3]
    assert work.kinds == ["completed"] * 3 + ["model_http"]


def test_stopping_cancels_what_is_in_flight_and_begins_nothing_more() -> None:
    def agents(seat: Seat) -> Scripted:
        return Scripted(0.0 if seat.task < 2 else 3600.0, "yes")

    work = Collected(
        [Job.of(STUBBORN, task, 0, 0) for task in range(9)],
        agents,
        Limits(concurrency=3),
        kwargs=stubborn({}, 9),
    )

    async def main() -> float:
        running = asyncio.create_task(work.collector.run())
        while len(work.rollouts) < 2 or work.collector.progress.in_flight < 3:
            await asyncio.sleep(0.01)
        stopped = time.monotonic()
        work.collector.stop("enough")
        await running
        return time.monotonic() - stopped

    assert asyncio.run(main()) < 5
    assert work.kinds == ["cancelled"] * 3 + ["completed"] * 2
    assert {r.failure.message for r in work.rollouts if r.failure} == {"enough"}
    assert work.collector.progress.in_flight == 0


def test_a_run_ends_at_its_deadline() -> None:
    limits = Limits(concurrency=2, run_timeout_s=0.3)
    work = Collected(
        plan({STUBBORN: 4}, 1, 0), lambda seat: Scripted(3600.0, ""), limits, kwargs=stubborn({}, 4)
    )
    asyncio.run(work.collector.run())
    assert work.kinds == ["budget", "budget"]


def test_cancelling_the_coroutine_cancels_the_run() -> None:
    work = Collected(
        plan({STUBBORN: 4}, 1, 0), lambda seat: Scripted(3600.0, ""), Limits(4), kwargs=stubborn({}, 4)
    )

    async def main() -> None:
        running = asyncio.create_task(work.collector.run())
        await asyncio.sleep(0.2)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running

    asyncio.run(main())
    assert work.rollouts == []


def test_progress_counts_every_rollout_once() -> None:
    seen: list[tuple[int, int, int]] = []

    def watch(progress: Progress) -> None:
        seen.append((progress.done, progress.failed.total(), progress.in_flight))

    asyncio.run(
        collect(
            [EnvSetup(MCQA)],
            plan({MCQA: 4}, 1, 0),
            lambda seat: Scripted(ModelError("x")),
            Limits(concurrency=2),
            on_progress=watch,
        )
    )
    assert seen[-1] == (4, 4, 0)
    assert max(s[2] for s in seen) == 2


def test_nothing_to_do_is_done() -> None:
    assert asyncio.run(collect([EnvSetup(MCQA)], [], AGENTS["null"])) == []


@pytest.mark.parametrize(
    "values", [{"concurrency": 0}, {"max_turns": 0}, {"run_timeout_s": 0}, {"max_cost": -1.0}]
)
def test_limits_that_cannot_work_are_named(values: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=next(iter(values))):
        Limits(**values)


def test_no_thread_is_left() -> None:
    before = {t.name for t in threading.enumerate()}
    run(plan({MCQA: 4}, 1, 0), AGENTS["null"], Limits(concurrency=4), threads=4)
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        left = {t.name for t in threading.enumerate()} - before
        if not any(name.startswith("gym-llm-step") for name in left):
            break
        time.sleep(0.01)
    assert not any(name.startswith("gym-llm-step") for name in left)
