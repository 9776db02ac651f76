"""The vector's three faces: Gymnasium's contract, partial batches, asyncio; with and without workers."""

import asyncio
import functools
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.error import AlreadyPendingCallError, NoAsyncCallError, ResetNeeded
from gymnasium.vector import AutoresetMode

import gym_llm.vector
from gym_llm.errors import ConfigError
from gym_llm.vector import AsyncVectorEnv, SyncVectorEnv
from tests.support.vector_envs import Slow, Walk

LENGTHS = [1, 2, 3, 2, 4]
BACKENDS: dict[str, dict[str, Any]] = {
    "in-process": {"num_workers": 0},
    "threads": {"num_workers": 0, "threads": 3},
    "forkserver": {"num_workers": 2},
    "spawn": {"num_workers": 2, "context": "spawn"},
    "fork": {"num_workers": 3, "context": "fork"},
    "worker-threads": {"num_workers": 2, "threads": 2},
}
FEW = ["in-process", "forkserver", "worker-threads"]


def walks() -> list[Any]:
    return [functools.partial(Walk, f"w{i}", length) for i, length in enumerate(LENGTHS)]


@pytest.fixture(params=list(BACKENDS))
def vector(request: pytest.FixtureRequest) -> Iterator[AsyncVectorEnv]:
    envs = AsyncVectorEnv(walks(), **BACKENDS[request.param], seeding="increment")
    yield envs
    envs.close()


def plain(value: Any) -> Any:
    """Return results as lists, so that they compare."""
    if isinstance(value, dict):
        return {k: plain(v) for k, v in sorted(value.items())}
    if isinstance(value, np.ndarray):
        return [plain(v) for v in value.tolist()]
    return [plain(v) for v in value] if isinstance(value, tuple | list) else value


@pytest.mark.parametrize("mode", ["NextStep", "SameStep", "Disabled"])
@pytest.mark.parametrize("backend", list(BACKENDS))
def test_same_results_as_gymnasiums_own(backend: str, mode: str) -> None:
    ours = AsyncVectorEnv(walks(), **BACKENDS[backend], autoreset_mode=mode, seeding="increment")
    theirs = gymnasium.vector.SyncVectorEnv(walks(), autoreset_mode=AutoresetMode(mode))
    assert ours.metadata["autoreset_mode"] is AutoresetMode(mode)
    try:
        assert plain(ours.reset(seed=7)) == plain(theirs.reset(seed=7))
        for number in range(7):
            actions = [f"a{number}{i}" for i in range(5)]
            mine, other = ours.step(actions), theirs.step(actions)
            assert plain(mine) == plain(other)
            assert [column.dtype for column in mine[1:4]] == [column.dtype for column in other[1:4]]
            if mode == "Disabled" and (ended := mine[2] | mine[3]).any():
                options = {"reset_mask": ended, "start": 5}
                assert plain(ours.reset(options=dict(options))) == plain(
                    theirs.reset(options=dict(options))
                )
    finally:
        ours.close()
        theirs.close()


def test_seeds_and_options_for_each_environment(vector: AsyncVectorEnv) -> None:
    observations, infos = vector.reset(seed=[3, None, 3, 5, 5], options=[{"start": i} for i in range(5)])
    assert infos["start"].tolist() == [0, 1, 2, 3, 4]
    assert observations[0][-1] == observations[2][-1]
    assert vector.step(["x"] * 5)[1].tolist() == [1.0, 2.0, 3.0, 4.0, 5.0]


def test_a_seed_gives_every_environment_its_own_stream() -> None:
    def digits(seed: int) -> list[str]:
        with SyncVectorEnv(Walk, 40) as envs:
            return [o[-1] for o in envs.reset(seed=seed)[0]]

    assert digits(1) == digits(1)
    assert sum(a == b for a, b in zip(digits(1)[1:], digits(2), strict=False)) < 20


@pytest.mark.parametrize("backend", FEW)
def test_partial_batches_carry_their_ids(backend: str) -> None:
    envs = AsyncVectorEnv([functools.partial(Walk, f"w{i}", 9) for i in range(6)], **BACKENDS[backend])
    try:
        envs.async_reset(seeds=list(range(6)))
        batch = envs.recv(min_envs=6)
        assert sorted(batch.env_ids.tolist()) == list(range(6))
        for turn in range(1, 4):
            envs.send([f"t{turn}"] * 3, [5, 0, 3])
            batch = envs.recv(min_envs=3)
            for env_id, observation, reward in zip(
                batch.env_ids, batch.observations, batch.rewards, strict=True
            ):
                assert observation.startswith(f"w{env_id} {turn} t{turn}")
                assert reward == turn
            assert batch.infos["env_id"].tolist() == batch.env_ids.tolist()
            assert [info["steps"] for info in batch.infos.per_env()] == [turn] * 3
    finally:
        envs.close()


@pytest.mark.parametrize("backend", ["threads", "worker-threads"])
def test_slow_environments_hold_nobody_up(backend: str) -> None:
    envs = AsyncVectorEnv(Slow, 4, **{**BACKENDS[backend], "threads": 4})
    try:
        envs.reset(seed=0)
        envs.send(["2.0", "0", "0", "0"], range(4))
        assert 0 not in envs.recv(min_envs=3).env_ids
        assert len(envs.recv(min_envs=1, timeout=0.01).env_ids) == 0
        assert envs.recv(min_envs=1).env_ids.tolist() == [0]
    finally:
        envs.close()


@pytest.mark.parametrize("backend", FEW)
def test_nobody_starves(backend: str) -> None:
    envs = AsyncVectorEnv(
        [functools.partial(Walk, f"w{i}", 10**9) for i in range(8)], **BACKENDS[backend]
    )
    counts = [0] * 8
    try:
        envs.reset(seed=0)
        envs.send(["x"] * 8, range(8))
        deadline = time.monotonic() + 60
        # How often each comes depends on the scheduler; that all come again and again does not.
        while min(counts) < 25:
            assert time.monotonic() < deadline, counts
            batch = envs.recv(min_envs=2)
            for i in batch.env_ids:
                counts[i] += 1
            envs.send(["x"] * len(batch.env_ids), batch.env_ids)
    finally:
        envs.close()


@pytest.mark.parametrize("backend", list(BACKENDS))
def test_coroutines_play_each_their_own_environment(backend: str) -> None:
    envs = AsyncVectorEnv(
        [functools.partial(Walk, f"w{i}", i + 1) for i in range(6)], **BACKENDS[backend]
    )

    async def episode(i: int) -> tuple[str, float]:
        observation, _ = await envs.reset_one(i, seed=i, options={"start": 1})
        total, ended = 0.0, False
        while not ended:
            observation, reward, ended, _, _ = await envs.step_one(i, "go")
            total += reward
        return observation.rsplit(" ", 1)[0], total

    async def everyone() -> list[tuple[str, float]]:
        return await asyncio.gather(*(episode(i) for i in range(6)))

    try:
        # Twice: a vector outlives an event loop.
        for _ in range(2):
            results = asyncio.run(everyone())
            assert results == [(f"w{i} {i + 1} go", sum(range(2, i + 3))) for i in range(6)]
    finally:
        envs.close()


def test_steps_here_and_now_are_those_of_the_others() -> None:
    with AsyncVectorEnv(walks(), num_workers=0) as envs, AsyncVectorEnv(walks(), num_workers=0) as twin:
        assert envs.is_immediate
        observations, _ = twin.reset(seed=[5, 6, 7, 8, 9, 10, 11][: twin.num_envs])
        assert [envs.reset_now(i, seed=5 + i)[0] for i in range(envs.num_envs)] == list(observations)
        envs.send(["go"], [0])  # its result stays for recv
        observations, rewards, *_ = twin.step(["go"] * twin.num_envs)
        for i in range(1, envs.num_envs):
            observation, reward, *_ = envs.step_now(i, "go")
            assert (observation, reward) == (observations[i], rewards[i])
        assert envs.recv(1).observations == (observations[0],)


def test_steps_here_and_now_need_this_process() -> None:
    with AsyncVectorEnv(walks(), num_workers=0, threads=2) as envs:
        assert not envs.is_immediate
        with pytest.raises(ConfigError, match="step_now needs environments in this process"):
            envs.step_now(0, "go")


def test_attributes_calls_and_pictures(vector: AsyncVectorEnv) -> None:
    vector.reset(seed=0)
    assert vector.get_attr("name") == ("w0", "w1", "w2", "w3", "w4")
    assert vector.call("render") == tuple(f"w{i} at 0" for i in range(5)) == vector.render()
    vector.set_attr("bonus", [0.0, 1.0, 2.0, 3.0, 4.0])
    vector.set_attr("name", "same")
    assert vector.get_attr("name") == ("same",) * 5
    assert vector.step(["x"] * 5)[1].tolist() == [1.0, 2.0, 3.0, 4.0, 5.0]
    assert vector.call_one(3, "render") == "same at 1"
    with pytest.raises(ConfigError, match="set_attr needs 5 values, got 2"):
        vector.set_attr("bonus", [1.0, 2.0])


@pytest.mark.parametrize(
    ("actions", "message"),
    [
        pytest.param("abcde", "got one text", id="one-text"),
        pytest.param(["x"] * 4, "expected 5 actions, got 4", id="too-few"),
        pytest.param(["x"] * 6, "expected 5 actions, got 6", id="too-many"),
        pytest.param(["x", 3, "x", "x", "x"], "action 1 must be a str, got int", id="no-text"),
    ],
)
def test_bad_actions_are_refused_before_anything_is_sent(
    vector: AsyncVectorEnv, actions: Any, message: str
) -> None:
    vector.reset(seed=0)
    with pytest.raises(ConfigError, match=message):
        vector.step(actions)
    assert vector.step(["x"] * 5)[4]["steps"].tolist() == [1] * 5


def test_numpy_texts_are_actions() -> None:
    with SyncVectorEnv(Walk, 2) as envs:
        envs.reset(seed=0)
        assert envs.step(np.array(["a", "b"]))[0][1].startswith("walk 1 b")


@pytest.mark.parametrize("backend", FEW)
def test_calls_in_the_wrong_order_are_named(backend: str) -> None:
    envs = AsyncVectorEnv(walks(), **BACKENDS[backend])
    try:
        with pytest.raises(ResetNeeded, match="call reset before step"):
            envs.step(["x"] * 5)
        with pytest.raises(NoAsyncCallError, match="only 0 can come"):
            envs.recv()
        envs.reset(seed=0)
        envs.send(["x"], [2])
        with pytest.raises(AlreadyPendingCallError):
            envs.step(["x"] * 5)
        with pytest.raises(ConfigError, match="environment 2 is still at its last request"):
            envs.send(["x"], [2])
        with pytest.raises(ConfigError, match="twice"):
            envs.send(["x", "y"], [1, 1])
        with pytest.raises(ConfigError, match="from 0 to 4, got 9"):
            envs.send(["x"], [9])
        assert envs.recv().env_ids.tolist() == [2]
    finally:
        envs.close()


def test_ended_environment_must_be_reset_where_autoreset_is_off() -> None:
    with SyncVectorEnv(walks(), autoreset_mode="Disabled") as envs:
        envs.reset(seed=0)
        envs.step(["x"] * 5)
        with pytest.raises(ResetNeeded, match="environment 0 has ended"):
            envs.step(["x"] * 5)


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        pytest.param({"num_envs": 0}, "num_envs must be 1 or more", id="no-envs"),
        pytest.param({"num_workers": -1}, "num_workers must be an integer", id="workers"),
        pytest.param({"threads": 1.5}, "threads must be an integer", id="threads"),
        pytest.param({"context": "magic", "num_workers": 1}, "context must be", id="context"),
        pytest.param({"on_error": "ignore"}, "on_error must be", id="on-error"),
        pytest.param(
            {"step_timeout": 1.0}, "step_timeout needs worker processes", id="timeout-in-process"
        ),
        pytest.param({"step_timeout": 0, "num_workers": 1}, "above 0", id="timeout"),
        pytest.param({"seeding": "random"}, "seeding must be", id="seeding"),
        pytest.param({"env_kwargs": {"x": 1}}, "env_kwargs are for ids", id="env-kwargs"),
    ],
)
def test_arguments_are_checked(kwargs: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        AsyncVectorEnv(Walk, **{"num_envs": 2, **kwargs})


def test_list_and_number_must_agree() -> None:
    with pytest.raises(ConfigError, match="num_envs is 3, but 5 functions are given"):
        AsyncVectorEnv(walks(), 3)
    with pytest.raises(ConfigError, match="list of functions"):
        AsyncVectorEnv([])


@pytest.mark.parametrize("backend", ["in-process", "forkserver"])
@pytest.mark.parametrize("mode", ["NextStep", "SameStep"])
def test_gymnasiums_vector_wrappers_work(backend: str, mode: str) -> None:
    wrappers = gymnasium.wrappers.vector
    inner = AsyncVectorEnv(walks(), **BACKENDS[backend], autoreset_mode=mode)
    envs = wrappers.DictInfoToList(wrappers.ClipReward(wrappers.RecordEpisodeStatistics(inner), 0, 2))
    try:
        envs.reset(seed=0)
        _, rewards, _, _, infos = envs.step(["x"] * 5)
        assert rewards.max() <= 2
        assert infos[0]["episode"]["l"] == 1
        assert "episode" not in infos[4]
    finally:
        envs.close()


@pytest.mark.parametrize("backend", ["in-process", "forkserver"])
def test_environments_that_are_not_text_work_too(backend: str) -> None:
    envs = AsyncVectorEnv("CartPole-v1", 3, **BACKENDS[backend], seeding="increment")
    theirs = gymnasium.make_vec("CartPole-v1", 3, vectorization_mode="sync")
    try:
        assert np.array_equal(envs.reset(seed=1)[0], theirs.reset(seed=1)[0])
        for _ in range(30):
            assert plain(envs.step(np.array([0, 1, 0]))[:4]) == plain(
                theirs.step(np.array([0, 1, 0]))[:4]
            )
    finally:
        envs.close()
        theirs.close()


def test_large_frames_pass_both_ways() -> None:
    envs = AsyncVectorEnv([functools.partial(Walk, "ü" * 3_000_000, 9)] * 4, num_workers=2)
    try:
        envs.reset(seed=0)
        for size in (10, 3_000_000, 100_000, 12_000_000):
            observations = envs.step(["é" * size] * 4)[0]
            assert {len(o.split(" ")[2]) for o in observations} == {size}
    finally:
        envs.close()


def test_make_vec_gives_the_pool_with_both_kinds_of_arguments() -> None:
    envs = gymnasium.make_vec("gym_llm/MCQA-v0", num_envs=6, num_workers=2, grading_mode="lenient_boxed")
    try:
        assert type(envs.unwrapped) is AsyncVectorEnv
        assert envs.spec is not None
        _, infos = envs.reset(seed=0, options=[{"task": i} for i in range(6)])
        assert infos["task_id"].tolist() == [f"mcqa-{i}" for i in range(6)]
        rewards = envs.step([r"\boxed{B}", r"\boxed{Stack}", "x", "x", "x", "x"])[1]
        assert rewards.tolist() == [1.0, 1.0, 0.0, 0.0, 0.0, 0.0]
    finally:
        envs.close()


def test_two_thousand_environments() -> None:
    envs = gymnasium.make_vec("gym_llm/MCQA-v0", num_envs=2048, num_workers=2)
    try:
        observations, _ = envs.reset(seed=0)
        assert len(observations) == 2048
        assert envs.step([r"\boxed{A}"] * 2048)[1].sum() > 100
    finally:
        envs.close()


def test_script_needs_no_main_guard(tmp_path: Any) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "import gymnasium, gym_llm\n"
        "from gym_llm.vector import AsyncVectorEnv\n"
        "class Own(gymnasium.Env):\n"
        "    observation_space = action_space = gym_llm.spaces.Text()\n"
        "    def reset(self, seed=None, options=None):\n"
        "        return 'own', {}\n"
        "envs = AsyncVectorEnv(Own, 4, num_workers=2)\n"
        "print(envs.reset(seed=0)[0])\n"
    )
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, timeout=60)
    assert done.stdout == "('own', 'own', 'own', 'own')\n", done.stderr


def test_public_names() -> None:
    assert gym_llm.vector.SyncVectorEnv is SyncVectorEnv
