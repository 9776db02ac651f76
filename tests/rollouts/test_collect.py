"""Collecting: order, seeds, failures that stay small, an endpoint that is down."""

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import gymnasium
import pytest

from gym_llm.agents.factory import AGENTS
from gym_llm.errors import EndpointDownError, ModelError
from gym_llm.registration import EnvInfo, register, table
from gym_llm.rollouts.collect import EnvSetup, Progress, collect
from gym_llm.rollouts.records import Job, Rollout

MCQA = "gym_llm/MCQA-v0"
COUNTER = "test/Counter-v0"


@pytest.fixture(autouse=True)
def _counter() -> Iterator[None]:
    register(
        [
            EnvInfo(
                id=COUNTER,
                env="tests.support.envs:CounterEnv",
                domain="other",
                kind="tools",
                summary="",
                licence="",
            )
        ]
    )
    yield
    table.pop(COUNTER)
    gymnasium.registry.pop(COUNTER)


class Scripted:
    """Plays its actions in order; raises the ones that are exceptions."""

    def __init__(self, *script: str | Exception) -> None:
        self.script = list(script)

    async def act(self, observation: str, info: dict[str, Any]) -> str:
        await asyncio.sleep(0)
        action = self.script.pop(0)
        if isinstance(action, Exception):
            raise action
        return action


def jobs(env_id: str, tasks: int, repeats: int = 1, seed: int = 0) -> list[Job]:
    return [Job.of(env_id, t, r, seed) for t in range(tasks) for r in range(repeats)]


def run(work: list[Job], agents: Any, **kwargs: Any) -> list[Rollout]:
    setups = [EnvSetup(env_id) for env_id in {job.env_id for job in work}]
    return asyncio.run(collect(setups, work, agents, **kwargs))


def test_results_come_in_the_order_of_the_jobs() -> None:
    work = jobs(MCQA, 8, 3)
    found = run(work, AGENTS["reference"], concurrency=5)
    assert [r.job for r in found] == work
    assert all(r.reward == 1.0 and r.state == "completed" for r in found)


@pytest.mark.parametrize("concurrency", [1, 7, 64])
def test_same_seed_same_rollouts_at_any_concurrency(concurrency: int) -> None:
    def plain(rollout: Rollout) -> dict[str, Any]:
        return {k: v for k, v in rollout.to_dict().items() if k != "duration_s"}

    work = jobs(MCQA, 8, 4, seed=3)
    alone = [plain(r) for r in run(work, AGENTS["random"], concurrency=1)]
    assert [plain(r) for r in run(work, AGENTS["random"], concurrency=concurrency)] == alone
    assert len({r["reward"] for r in alone}) == 2


def test_seeds_follow_from_the_place_not_from_the_order() -> None:
    assert Job.of(MCQA, 3, 1, 0) == jobs(MCQA, 8, 2)[7]
    assert len({job.seed for s in (0, 1) for job in jobs(MCQA, 8, 2, s)}) == 32


def test_transcript_and_rewards_are_recorded() -> None:
    call = '<tool_call>{"name": "add", "arguments": {"amount": 3}}</tool_call>'
    (rollout,) = run(jobs(COUNTER, 1), lambda env, info, seed: Scripted(call, "done"))
    assert [m["role"] for m in rollout.messages] == ["user", "assistant", "tool", "assistant"]
    assert (rollout.turns, rollout.step_rewards, rollout.rewards) == (
        2,
        [0.0, 2.0],
        {"goal": 1.0, "close": 1.0},
    )


def test_turn_limit_gives_a_truncated_rollout_that_counts() -> None:
    (rollout,) = run(
        jobs(COUNTER, 1),
        lambda env, info, seed: Scripted(*['<tool_call>{"name": "add"}</tool_call>'] * 9),
    )
    assert (rollout.state, rollout.counts, rollout.turns) == ("truncated", True, 4)


def test_one_failed_rollout_touches_no_other() -> None:
    def agents(env: Any, info: Any, seed: int) -> Scripted:
        task = env.unwrapped.episode.task.index
        return Scripted(
            ModelError("status 400") if task == 2 else ValueError("oops") if task == 5 else r"\boxed{B}"
        )

    found = run(jobs(MCQA, 8), agents, concurrency=3)
    failures = {r.task_index: r.failure for r in found if not r.counts}
    assert failures == {
        2: {"kind": "model_error", "message": "ModelError: status 400"},
        5: {"kind": "env_error", "message": "ValueError: oops"},
    }
    assert [r.state for r in found].count("completed") == 6
    assert found[2].messages


def test_endpoint_down_stops_the_run_and_keeps_what_is_finished() -> None:
    kept: list[Rollout] = []

    def agents(env: Any, info: Any, seed: int) -> Scripted:
        task = env.unwrapped.episode.task.index
        return Scripted(EndpointDownError("nothing listens at http://x") if task == 3 else "no")

    with pytest.raises(EndpointDownError, match="nothing listens at http://x"):
        run(jobs(MCQA, 8), agents, concurrency=1, on_rollout=kept.append)
    assert [r.task_index for r in kept] == [0, 1, 2]


def test_progress_counts_every_rollout_once() -> None:
    seen: list[tuple[int, int, int]] = []

    def watch(progress: Progress) -> None:
        seen.append((progress.done, progress.failed, progress.in_flight))

    run(
        jobs(MCQA, 4),
        lambda env, info, seed: Scripted(ModelError("x")),
        concurrency=2,
        on_progress=watch,
    )
    assert seen[-1] == (4, 4, 0)
    assert max(s[2] for s in seen) == 2


def test_no_thread_is_left() -> None:
    run(jobs(MCQA, 4), AGENTS["null"], concurrency=4)
    assert not [t for t in threading.enumerate() if t.name.startswith("gym-llm-env")]
