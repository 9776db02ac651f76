"""Every way in which an environment, a worker or a parent can fail, for real; the pool goes on."""

import asyncio
import functools
import itertools
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gymnasium.error import ClosedEnvironmentError, NoAsyncCallError, ResetNeeded
from multiprocess import forkserver, resource_tracker

from gym_llm.errors import ConfigError, EnvFailedError
from gym_llm.vector import AsyncVectorEnv
from gym_llm.vector.workers import MAX_DEATHS, SILENCE_SLACK_S
from tests.support.faulty_envs import Faulty
from tests.support.vector_envs import Slow

ROOT = Path(__file__).parents[2]
PATIENCE_S = 20.0
"""Long enough for a busy machine; only a hang takes so long."""

WORKERS: list[dict[str, Any]] = [
    {"num_workers": 2, "context": "fork"},
    {"num_workers": 2, "context": "forkserver", "threads": 2},
    {"num_workers": 2, "context": "spawn"},
]
HERE: list[dict[str, Any]] = [{"num_workers": 0}, {"num_workers": 0, "threads": 2}]


def name_of(config: Any) -> str | None:
    return "-".join(f"{value}" for value in config.values()) if isinstance(config, dict) else None


over_starts = pytest.mark.parametrize("config", WORKERS, ids=name_of)
over_workers = pytest.mark.parametrize("config", WORKERS[:2], ids=name_of)
everywhere = pytest.mark.parametrize("config", HERE + WORKERS[:2], ids=name_of)

Make = Callable[..., AsyncVectorEnv]


def descendants() -> set[int]:
    """Return the processes below this one, without those that multiprocess keeps for later."""
    parents = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            parents[int(entry)] = parent_of(int(entry))
    found = {os.getpid()}
    while more := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= more
    kept = {forkserver._forkserver._forkserver_pid, resource_tracker._resource_tracker._pid}
    return found - kept - {os.getpid()}


def parent_of(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except (FileNotFoundError, ProcessLookupError):
        return 0


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def eventually(claim: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + PATIENCE_S
    while not claim() and time.monotonic() < deadline:
        time.sleep(0.01)
    return claim()


@pytest.fixture
def make() -> Iterator[Make]:
    """Make vectors of environments e0, e1 and so on; none of their processes may be left at the end."""
    before = descendants()
    opened: list[AsyncVectorEnv] = []

    def make(count: int = 4, *, env: Any = Faulty, each: Any = (), **kwargs: Any) -> AsyncVectorEnv:
        extra = dict(each)
        makers = [functools.partial(env, f"e{i}", **extra.get(i, {})) for i in range(count)]
        opened.append(AsyncVectorEnv(makers, **kwargs))
        return opened[-1]

    yield make
    for vector in opened:
        vector.close(timeout=1.0)
    assert eventually(lambda: descendants() <= before)


def says(observations: Any, *beginnings: str) -> bool:
    """Return whether each observation begins so; the digit at its end is a random one."""
    return len(observations) == len(beginnings) and all(map(str.startswith, observations, beginnings))


def errors(infos: Any) -> list[str | None]:
    """Return the kind of failure of each environment."""
    return [info["error"].partition(":")[0] if "error" in info else None for info in infos.per_env()]


def pids(vector: AsyncVectorEnv) -> list[int]:
    return [int(pid) for pid in vector.call("pid")]


# --- exceptions

EXCEPTIONS = {
    "plain": ("ValueError", "plain trouble", "raise_plain"),
    "two-part": ("TwoPartError", "a hole in the bucket", "raise_two_part"),
    "decoding": ("JSONDecodeError", "line 1 column 2", "raise_decoding"),
    "local": ("LocalError", "defined inside a function", "raise_local"),
    "chained": ("KeyError", "chained", "plain trouble"),
    "locked": ("LockedError", "holds a lock", "faulty_envs.py"),
    "mute": ("MuteError", "", "faulty_envs.py"),
    "hostile": ("HostileError", "", "faulty_envs.py"),
    "sys-exit": ("SystemExit", "3", "faulty_envs.py"),
    "stop-iteration": ("StopIteration", "1", "faulty_envs.py"),
    "recursion": ("RecursionError", "too deep", "faulty_envs.py"),
}


@everywhere
def test_an_exception_arrives_as_text_and_the_others_go_on(make: Make, config: dict[str, Any]) -> None:
    vector = make(**config)
    for fault, (kind, message, trace) in EXCEPTIONS.items():
        vector.reset(seed=1)
        with pytest.raises(EnvFailedError) as caught:
            vector.step(["a", fault, "b", "c"])
        error = caught.value
        assert (error.env_id, error.kind) == (1, kind)
        assert message in error.message
        assert trace in error.traceback
        observations, *_ = vector.step(["d", "ignored", "e", "f"])
        assert says(observations, "e0 2 d", "e1 reset", "e2 2 e", "e3 2 f")


@over_workers
def test_an_interrupt_from_inside_is_a_failure_like_others(make: Make, config: dict[str, Any]) -> None:
    vector = make(on_error="truncate", **config)
    vector.reset()
    *_, infos = vector.step(["a", "interrupt", "b", "c"])
    assert errors(infos) == [None, "KeyboardInterrupt", None, None]


def test_several_failures_are_one_error_that_names_them(make: Make) -> None:
    vector = make(num_workers=2)
    vector.reset()
    with pytest.raises(EnvFailedError, match="environments 2, 3") as caught:
        vector.step(["a", "plain", "local", "decoding"])
    assert caught.value.env_id == 1


@everywhere
def test_truncate_ends_the_episode_and_no_other(make: Make, config: dict[str, Any]) -> None:
    vector = make(on_error="truncate", **config)
    vector.reset()
    observations, rewards, terminated, truncated, infos = vector.step(["a", "plain", "b", "c"])
    assert says(observations, "e0 1 a", "", "e2 1 b", "e3 1 c")
    assert observations[1] == ""
    assert list(rewards) == [1, 0, 1, 1]
    assert not terminated.any()
    assert list(truncated) == [False, True, False, False]
    assert errors(infos) == [None, "ValueError", None, None]
    assert "raise_plain" in infos.per_env()[1]["traceback"]
    observations, *_ = vector.step(["d"] * 4)
    assert says(observations, "e0 2 d", "e1 reset", "e2 2 d", "e3 2 d")
    observations, *_ = vector.step(["e"] * 4)
    assert says(observations, "e0 3 e", "e1 1 e", "e2 3 e", "e3 3 e")


@everywhere
def test_same_step_gives_the_fresh_observation_with_the_error(
    make: Make, config: dict[str, Any]
) -> None:
    vector = make(on_error="truncate", autoreset_mode="SameStep", **config)
    vector.reset()
    observations, _, _, truncated, infos = vector.step(["a", "plain", "b", "c"])
    assert says(observations, "e0 1 a", "e1 reset", "e2 1 b", "e3 1 c")
    assert list(truncated) == [False, True, False, False]
    assert infos["final_obs"][1] == ""
    assert errors(infos) == [None, "ValueError", None, None]
    observations, *_ = vector.step(["d"] * 4)
    assert says(observations, "e0 2 d", "e1 1 d", "e2 2 d", "e3 2 d")


@everywhere
def test_without_autoreset_a_failed_environment_waits_for_its_reset(
    make: Make, config: dict[str, Any]
) -> None:
    vector = make(on_error="truncate", autoreset_mode="Disabled", **config)
    vector.reset()
    vector.step(["a", "plain", "b", "c"])
    with pytest.raises(ResetNeeded, match="environment 1"):
        vector.step(["d"] * 4)
    vector.reset(options={"reset_mask": np.array([False, True, False, False])})
    observations, *_ = vector.step(["e"] * 4)
    assert says(observations, "e0 2 e", "e1 1 e", "e2 2 e", "e3 2 e")


@everywhere
def test_restart_makes_the_environment_anew(make: Make, config: dict[str, Any]) -> None:
    vector = make(on_error="restart", **config)
    vector.reset(seed=1)
    vector.reset(seed=1)
    vector.step(["a", "plain", "b", "c"])
    vector.step(["d"] * 4)
    assert vector.get_attr("resets") == (2, 1, 2, 2)


@everywhere
def test_an_environment_may_fail_in_each_reset(make: Make, config: dict[str, Any]) -> None:
    vector = make(on_error="truncate", each={1: {"fails_in": "reset"}}, **config)
    vector.reset()
    _, _, _, truncated, infos = vector.step(["a", "plain", "b", "c"])
    for _ in range(3):
        assert truncated[1]
        assert errors(infos) == [None, "ValueError", None, None]
        observations, _, _, truncated, infos = vector.step(["d"] * 4)
    assert says(observations, "e0 reset", "", "e2 reset", "e3 reset")


@everywhere
def test_a_failing_reset_raises_and_the_next_one_works(make: Make, config: dict[str, Any]) -> None:
    vector = make(**config)
    with pytest.raises(EnvFailedError, match="hole in the bucket") as caught:
        vector.reset(options=[None, None, {"fault": "two-part"}, None])
    assert caught.value.env_id == 2
    observations, _ = vector.reset()
    assert says(observations, "e0 reset", "e1 reset", "e2 reset", "e3 reset")


@everywhere
def test_a_constructor_that_fails_shows_at_once(make: Make, config: dict[str, Any]) -> None:
    with pytest.raises((EnvFailedError, ValueError), match="plain trouble"):
        make(each={2: {"fails_in": "making"}}, **config)


@over_starts
@pytest.mark.parametrize("fault", ["os-exit", "segfault", "sys-exit"])
def test_a_constructor_that_ends_its_process_is_an_error(
    make: Make, config: dict[str, Any], fault: str
) -> None:
    with pytest.raises(EnvFailedError):
        make(each={2: {"fails_in": "making", "fault": fault}}, **config)


@over_workers
@pytest.mark.parametrize("action", ["unpicklable", "only-there"])
def test_an_info_that_cannot_travel_is_a_failure(
    make: Make, config: dict[str, Any], action: str
) -> None:
    vector = make(on_error="truncate", **config)
    vector.reset()
    observations, _, _, truncated, infos = vector.step(["a", "b", "c", action])
    assert truncated[3]
    assert errors(infos)[3]
    assert observations[3] == ""
    assert says(observations[:2], "e0 1 a", "e1 1 b")
    observations, *_ = vector.step(["d"] * 4)
    assert says(observations, "e0 2 d", "e1 2 d", observations[2][:2], "e3 reset")
    observations, *_ = vector.step(["e"] * 4)
    assert says(observations[3:], "e3 1 e")


def test_a_huge_observation_arrives(make: Make) -> None:
    vector = make(num_workers=2)
    vector.reset()
    observations, *_ = vector.step(["a", "huge", "huge", "b"])
    assert list(map(len, observations)) == [len("e0 1 a 5"), 20_000_011, 20_000_011, len("e0 1 b 5")]
    observations, *_ = vector.step(["c"] * 4)
    assert says(observations, "e0 2 c", "e1 2 c", "e2 2 c", "e3 2 c")


@everywhere
def test_a_call_that_fails_names_the_environment(make: Make, config: dict[str, Any]) -> None:
    vector = make(**config)
    vector.reset()
    with pytest.raises(EnvFailedError, match="hole in the bucket") as caught:
        vector.call_one(3, "fail", "two-part")
    assert caught.value.env_id == 3
    observations, *_ = vector.step(["a"] * 4)
    assert says(observations, "e0 1 a", "e1 1 a", "e2 1 a", "e3 1 a")


@over_workers
@pytest.mark.parametrize("name", ["broken_value", "distant_value"])
def test_a_value_that_cannot_travel_is_a_failure_of_the_call(
    make: Make, config: dict[str, Any], name: str
) -> None:
    vector = make(**config)
    with pytest.raises(EnvFailedError):
        vector.call(name)
    assert vector.get_attr("name") == ("e0", "e1", "e2", "e3")


# --- workers that die

DEATHS = ["os-exit", "sigkill", "segfault"]


@over_starts
@pytest.mark.parametrize("on_error", ["truncate", "restart"])
def test_a_worker_that_dies_is_replaced(make: Make, config: dict[str, Any], on_error: str) -> None:
    vector = make(on_error=on_error, **config)
    for fault in DEATHS:
        vector.reset()
        observations, rewards, _, truncated, infos = vector.step(["a", fault, "b", "c"])
        assert says(observations[1:], "", "e2 1 b", "e3 1 c")
        assert observations[1] == ""
        assert rewards[1] == 0
        assert truncated[1]
        assert errors(infos)[1:] == ["WorkerDied", None, None]
        if not config.get("threads"):  # the others of the worker were in the same batch
            assert errors(infos)[0] == "WorkerRestarted"
        observations, *_ = vector.step(["d"] * 4)
        if errors(infos)[0]:
            assert says(observations, "e0 reset", "e1 reset", "e2 2 d", "e3 2 d")
        observations, *_ = vector.step(["e"] * 4)
        assert says(observations[1:], "e1 1 e", "e2 3 e", "e3 3 e")


@over_workers
def test_with_raise_a_death_is_an_error_with_the_culprit(make: Make, config: dict[str, Any]) -> None:
    vector = make(**config)
    vector.reset()
    with pytest.raises(EnvFailedError):
        vector.step(["a", "b", "c", "sigkill"])
    observations, *_ = vector.step(["d"] * 4)
    assert says(observations[:2], "e0 2 d", "e1 2 d")
    assert says(observations[3:], "e3 reset")


@over_workers
def test_a_death_with_same_step_gives_fresh_observations(make: Make, config: dict[str, Any]) -> None:
    vector = make(on_error="truncate", autoreset_mode="SameStep", **config)
    vector.reset()
    observations, _, _, truncated, infos = vector.step(["a", "sigkill", "b", "c"])
    assert says(observations[1:], "e1 reset", "e2 1 b", "e3 1 c")
    assert list(truncated[1:]) == [True, False, False]
    assert infos["final_obs"][1] == ""
    observations, *_ = vector.step(["d"] * 4)
    assert says(observations[1:], "e1 1 d", "e2 2 d", "e3 2 d")


@over_workers
def test_a_death_without_autoreset_waits_for_the_resets(make: Make, config: dict[str, Any]) -> None:
    vector = make(on_error="truncate", autoreset_mode="Disabled", **config)
    vector.reset()
    *_, truncated, _ = vector.step(["a", "sigkill", "b", "c"])
    with pytest.raises(ResetNeeded):
        vector.step(["d"] * 4)
    if not truncated[0]:  # it had answered: its loss shows at its next step
        vector.send(["d"], [0])
        assert vector.recv(1).truncations[0]
    vector.reset(options={"reset_mask": np.array([True, True, False, False])})
    observations, *_ = vector.step(["e"] * 4)
    assert says(observations, "e0 1 e", "e1 1 e", "e2 2 e", "e3 2 e")


@over_workers
def test_both_workers_may_die_at_once(make: Make, config: dict[str, Any]) -> None:
    vector = make(on_error="truncate", **config)
    vector.reset()
    *_, truncated, infos = vector.step(["sigkill", "a", "b", "os-exit"])
    assert truncated[0]
    assert truncated[3]
    assert errors(infos)[0] == errors(infos)[3] == "WorkerDied"
    vector.reset()
    observations, *_ = vector.step(["c"] * 4)
    assert says(observations, "e0 1 c", "e1 1 c", "e2 1 c", "e3 1 c")


@over_starts
def test_a_death_between_steps_shows_at_the_next_one(make: Make, config: dict[str, Any]) -> None:
    vector = make(on_error="truncate", **config)
    vector.reset()
    vector.step(["a"] * 4)
    victim = pids(vector)[0]
    os.kill(victim, signal.SIGKILL)
    assert eventually(lambda: not is_alive(victim))
    observations, _, _, truncated, infos = vector.step(["b"] * 4)
    assert says(observations, "", "", "e2 2 b", "e3 2 b")
    assert list(truncated) == [True, True, False, False]
    assert errors(infos) == ["WorkerLost", "WorkerLost", None, None]
    observations, *_ = vector.step(["c"] * 4)
    assert says(observations, "e0 reset", "e1 reset", "e2 3 c", "e3 3 c")


def test_a_death_between_steps_costs_nothing_before_a_reset(make: Make) -> None:
    vector = make(num_workers=2)
    vector.reset()
    for victim in set(pids(vector)):
        os.kill(victim, signal.SIGKILL)
        assert eventually(functools.partial(lambda pid: not is_alive(pid), victim))
    with pytest.raises(EnvFailedError, match="died"):
        vector.reset()
    observations, _ = vector.reset()
    assert says(observations, "e0 reset", "e1 reset", "e2 reset", "e3 reset")


def test_a_death_during_a_call_fails_the_call(make: Make) -> None:
    vector = make(num_workers=2, on_error="truncate")
    vector.reset()
    with pytest.raises(EnvFailedError, match="WorkerDied"):
        vector.call_one(2, "fail", "os-exit")
    assert vector.get_attr("name") == ("e0", "e1", "e2", "e3")
    observations, _, _, truncated, _ = vector.step(["a"] * 4)
    assert says(observations, "e0 1 a", "e1 1 a", "", "")
    assert list(truncated) == [False, False, True, True]


def test_a_worker_that_always_dies_is_given_up_with_a_clear_error(make: Make, tmp_path: Path) -> None:
    remade = {"fails_in": "making", "fault": "os-exit", "remade": str(tmp_path / "made")}
    vector = make(num_workers=2, on_error="restart", each={3: remade})
    vector.reset()
    vector.step(["a", "b", "c", "sigkill"])
    with pytest.raises(EnvFailedError, match=f"died {MAX_DEATHS + 1} times in a row"):  # noqa: PT012
        for _ in range(MAX_DEATHS + 2):
            vector.step(["d"] * 4)
    with pytest.raises(EnvFailedError, match="times in a row"):
        vector.reset()
    observations, _ = vector.reset(options={"reset_mask": np.array([True, True, False, False])})
    assert says(observations[:2], "e0 reset", "e1 reset")


def test_a_constructor_that_raises_when_made_anew_is_named(make: Make, tmp_path: Path) -> None:
    remade = {"fails_in": "making", "fault": "two-part", "remade": str(tmp_path / "made")}
    vector = make(num_workers=2, on_error="truncate", autoreset_mode="SameStep", each={3: remade})
    vector.reset()
    with pytest.raises(EnvFailedError, match=r"TwoPartError: a hole in the bucket") as caught:
        vector.step(["a", "b", "c", "sigkill"])
    assert "raise_two_part" in caught.value.traceback


def test_restarts_are_reproducible_by_seed(make: Make) -> None:
    def run(seed: int) -> list[Any]:
        vector = make(num_workers=2, on_error="restart", context="fork")
        vector.reset(seed=seed)
        seen = []
        for actions in (
            ["a", "sigkill", "b", "plain"],
            *[["c"] * 4] * 6,
            ["os-exit"] * 4,
            *[["d"] * 4] * 6,
        ):
            observations, *_ = vector.step(actions)
            seen.append(observations)
        return seen

    assert run(5) == run(5)
    assert run(5) != run(6)


def test_a_new_seed_forgets_earlier_deaths(make: Make) -> None:
    vector = make(num_workers=2, on_error="restart", context="fork")

    def run() -> list[Any]:
        vector.reset(seed=5)
        seen = []
        for actions in (["a", "sigkill", "b", "plain"], *[["c"] * 4] * 4):
            seen.append(vector.step(actions)[0])
        return seen

    assert run() == run()


# --- environments that hang


@over_starts
@pytest.mark.parametrize("fault", ["sleep", "hold"])
def test_a_step_that_hangs_ends_at_its_deadline(make: Make, config: dict[str, Any], fault: str) -> None:
    vector = make(on_error="truncate", step_timeout=0.4, **config)
    vector.reset()
    observations, _, _, truncated, infos = vector.step([fault, "a", "b", "c"])
    assert truncated[0]
    assert errors(infos)[0] == "StepTimeout"
    assert says(observations[2:], "e2 1 b", "e3 1 c")
    assert errors(infos)[1] in ("WorkerRestarted", None if config.get("threads") else "WorkerRestarted")
    with pytest.raises(NoAsyncCallError):  # nothing comes late
        vector.recv(1, timeout=0)
    observations, *_ = vector.step(["d"] * 4)
    assert says(observations[2:], "e2 2 d", "e3 2 d")
    observations, *_ = vector.step(["e"] * 4)
    assert says(observations, "e0 1 e", observations[1][:2], "e2 3 e", "e3 3 e")


def test_a_slow_answer_never_comes_late(make: Make) -> None:
    vector = make(2, num_workers=2, on_error="truncate", step_timeout=0.3)
    vector.reset()
    *_, infos = vector.step(["a", "nap"])
    assert errors(infos) == [None, "StepTimeout"]
    begun = time.monotonic()
    while time.monotonic() - begun < 1.2:
        with pytest.raises(NoAsyncCallError):
            vector.recv(1, timeout=0.1)
        observations, *_ = vector.step(["b", "b"])
        assert says(observations, "e0", "e1")
        assert "nap" not in observations[1]


@over_workers
def test_a_reset_that_hangs_ends_at_its_deadline(make: Make, config: dict[str, Any]) -> None:
    vector = make(on_error="truncate", step_timeout=0.4, **config)
    _, infos = vector.reset(options=[None, {"fault": "sleep"}, None, None])
    assert errors(infos)[1:] == ["StepTimeout", None, None]
    observations, *_ = vector.step(["a"] * 4)
    assert says(observations[1:], "e1 reset", "e2 1 a", "e3 1 a")


def test_a_constructor_that_hangs_when_made_anew_ends_at_its_deadline(
    make: Make, tmp_path: Path
) -> None:
    remade = {"fails_in": "making", "fault": "sleep", "remade": str(tmp_path / "made")}
    vector = make(num_workers=2, on_error="restart", step_timeout=0.4, each={1: remade})
    vector.reset()
    *_, infos = vector.step(["a", "plain", "b", "c"])
    assert errors(infos)[1:] == ["StepTimeout", None, None]


def test_a_call_that_hangs_ends_at_its_deadline(make: Make) -> None:
    vector = make(num_workers=2, on_error="truncate", step_timeout=0.4)
    vector.reset()
    with pytest.raises(EnvFailedError, match="StepTimeout"):
        vector.call_one(0, "fail", "hold")
    assert vector.get_attr("name") == ("e0", "e1", "e2", "e3")


@over_starts
def test_a_worker_that_is_stopped_between_steps_ends_at_a_deadline(
    make: Make, config: dict[str, Any]
) -> None:
    vector = make(on_error="truncate", step_timeout=0.3, **config)
    vector.reset()
    stopped = pids(vector)[0]
    os.kill(stopped, signal.SIGSTOP)
    observations, _, _, truncated, infos = vector.step(["a"] * 4)
    assert says(observations, "", "", "e2 1 a", "e3 1 a")
    assert list(truncated) == [True, True, False, False]
    assert errors(infos) == ["WorkerLost", "WorkerLost", None, None]
    assert eventually(lambda: not Path(f"/proc/{stopped}").exists())
    observations, *_ = vector.step(["b"] * 4)
    assert says(observations, "e0 reset", "e1 reset", "e2 2 b", "e3 2 b")
    observations, *_ = vector.step(["c"] * 4)
    assert says(observations, "e0 1 c", "e1 1 c", "e2 3 c", "e3 3 c")


def test_asyncio_goes_on_after_a_worker_was_stopped(make: Make) -> None:
    vector = make(num_workers=2, on_error="truncate", step_timeout=0.3)

    async def episode(i: int) -> list[str]:
        return [(await vector.step_one(i, "a"))[0] for _ in range(2)]

    async def main() -> list[list[str]]:
        async with asyncio.timeout(PATIENCE_S):
            return await asyncio.gather(*map(episode, range(4)))

    vector.reset()
    os.kill(pids(vector)[3], signal.SIGSTOP)
    seen = asyncio.run(main())
    assert says(seen[0], "e0 1 a", "e0 2 a")
    assert says(seen[3], "", "e3 reset")


def test_a_batch_may_take_longer_than_a_step(make: Make) -> None:
    vector = make(env=Slow, num_workers=1, on_error="truncate", step_timeout=0.5)
    vector.reset()
    begun = time.monotonic()
    observations, *_, infos = vector.step(["0.2"] * 4)
    assert time.monotonic() - begun > 0.8
    assert errors(infos) == [None] * 4
    assert says(observations, "e0 1 0.2", "e1 1 0.2", "e2 1 0.2", "e3 1 0.2")


def test_a_worker_may_wait_for_a_caller_who_is_away(make: Make) -> None:
    vector = make(num_workers=2, on_error="truncate", step_timeout=0.3)
    vector.reset()
    workers = pids(vector)
    vector.send(["x" * 20_000_000] * 4, range(4))  # they wait for the rest of it
    vector.recv(1, timeout=0)
    time.sleep(2 * 0.3 + 1.1 * SILENCE_SLACK_S)
    assert errors(vector.recv(4).infos) == [None] * 4
    assert pids(vector) == workers


# --- some at a time


@everywhere
def test_recv_keeps_the_results_of_the_others(make: Make, config: dict[str, Any]) -> None:
    vector = make(**config)
    vector.reset()
    vector.send(["a", "plain", "b", "c"], [0, 1, 2, 3])
    seen: dict[int, str] = {}
    raised: list[int] = []
    while len(seen) + len(raised) < 4:
        try:
            batch = vector.recv(1)
        except EnvFailedError as error:
            raised.append(error.env_id)
        else:
            seen.update(zip(batch.env_ids.tolist(), batch.observations, strict=True))
    assert raised == [1]
    assert says([seen[i] for i in (0, 2, 3)], "e0 1 a", "e2 1 b", "e3 1 c")
    vector.send(["d"], [1])
    assert says(vector.recv(1).observations, "e1 reset")


@over_workers
def test_recv_goes_on_while_a_worker_is_replaced(make: Make, config: dict[str, Any]) -> None:
    vector = make(on_error="truncate", step_timeout=0.4, **config)
    vector.reset()
    steps = {i: 0 for i in range(4)}
    failed = []
    vector.send(["a", "sleep", "os-exit" if config.get("threads") else "a", "a"], range(4))
    begun = time.monotonic()
    while 1 not in failed and time.monotonic() - begun < PATIENCE_S:
        batch = vector.recv(1, timeout=PATIENCE_S)
        for place, i in enumerate(batch.env_ids.tolist()):
            observation, info = batch.observations[place], batch.infos.per_env()[place]
            if "error" in info:
                failed.append(i)
                steps[i] = -1
                assert observation == ""
            else:
                steps[i] = (steps[i] + 1) % 4
                expected = f"e{i} {steps[i]} a" if steps[i] else f"e{i} reset"
                assert says([observation], expected)
            vector.send(["a"], [i])
    assert 1 in failed


@everywhere
def test_asyncio_sees_the_failure_of_its_own_environment(make: Make, config: dict[str, Any]) -> None:
    vector = make(**config)

    async def episode(i: int, action: str) -> Any:
        await vector.reset_one(i, seed=i)
        return await vector.step_one(i, action)

    async def main() -> list[Any]:
        actions = ["a", "two-part", "b", "c"]
        async with asyncio.timeout(PATIENCE_S):
            return await asyncio.gather(*map(episode, range(4), actions), return_exceptions=True)

    results = asyncio.run(main())
    assert says([results[i][0] for i in (0, 2, 3)], "e0 1 a", "e2 1 b", "e3 1 c")
    assert isinstance(results[1], EnvFailedError)
    assert results[1].env_id == 1


@over_workers
def test_asyncio_goes_on_after_deaths_and_hangs(make: Make, config: dict[str, Any]) -> None:
    vector = make(on_error="truncate", step_timeout=0.4, **config)

    async def episode(i: int, fault: str) -> list[str]:
        observation, _ = await vector.reset_one(i)
        seen = [observation]
        for action in ["a", fault, *["b"] * 40]:
            observation, *_ = await vector.step_one(i, action)
            seen.append(observation)
        return seen

    async def main() -> list[Any]:
        async with asyncio.timeout(PATIENCE_S):
            return await asyncio.gather(*map(episode, range(4), ["a", "sigkill", "b", "sleep"]))

    for i, seen in enumerate(asyncio.run(main())):
        assert {text[:2] for text in seen if text} == {f"e{i}"}
        for before, after in itertools.pairwise(seen):
            count = before.split(" ")[1] if before else ""
            expected = {"": "reset", "reset": "1", "1": "2", "2": "3", "3": "reset"}[count]
            assert not after or after.split(" ")[1] == expected


def test_asyncio_still_wakes_up_at_once_after_a_replacement(make: Make) -> None:
    vector = make(2, num_workers=1, on_error="truncate")

    async def main() -> float:
        await vector.reset_one(0)
        await vector.step_one(0, "sigkill")
        await vector.step_one(0, "a")
        begun = time.monotonic()
        for _ in range(100):
            await vector.step_one(0, "a")
        return time.monotonic() - begun

    assert asyncio.run(main()) < 10  # by the timer alone it would be 25 seconds


# --- refusals


WRONG: list[Any] = [["a"], ["a"] * 5, ["a", "b", "c", 4], ["a", None, "b", "c"], "abcd", None, 4]


@everywhere
def test_wrong_actions_are_refused_before_anything_is_sent(make: Make, config: dict[str, Any]) -> None:
    vector = make(**config)
    vector.reset()
    for actions in WRONG:
        with pytest.raises((ConfigError, TypeError)):
            vector.step(actions)
        with pytest.raises((ConfigError, TypeError)):
            vector.send(actions, [0, 1, 2, 3])
    observations, *_ = vector.step(["d"] * 4)
    assert says(observations, "e0 1 d", "e1 1 d", "e2 1 d", "e3 1 d")


def test_options_that_cannot_travel_are_refused_before_anything_is_sent(make: Make) -> None:
    vector = make(num_workers=2)
    vector.reset()
    with pytest.raises(ConfigError, match="options"):
        vector.reset(options=[None, None, None, {"start": lambda: 1}])
    observations, *_ = vector.step(["d"] * 4)
    assert says(observations, "e0 1 d", "e1 1 d", "e2 1 d", "e3 1 d")


@everywhere
def test_a_closed_vector_says_so(make: Make, config: dict[str, Any]) -> None:
    vector = make(**config)
    vector.reset()
    vector.close()
    with pytest.raises(ClosedEnvironmentError):
        vector.step(["a"] * 4)
    with pytest.raises(ClosedEnvironmentError):
        vector.reset()
    with pytest.raises(ClosedEnvironmentError):
        vector.call("pid")


# --- ends


@over_starts
@pytest.mark.parametrize("fault", ["sleep", "hold"])
def test_close_ends_hung_workers(make: Make, config: dict[str, Any], fault: str) -> None:
    vector = make(each={2: {"is_deaf": True}}, **config)
    vector.reset()
    workers = set(pids(vector))
    vector.send(["a", fault], [0, 2])
    vector.recv(1)
    begun = time.monotonic()
    vector.close(timeout=0.5)
    assert time.monotonic() - begun < 20
    assert not any(map(is_alive, workers))


@over_workers
def test_close_is_quick_with_results_that_nobody_takes(make: Make, config: dict[str, Any]) -> None:
    vector = make(**config)
    vector.reset()
    vector.send(["huge"] * 4, range(4))
    begun = time.monotonic()
    vector.close(timeout=60)
    assert time.monotonic() - begun < 30


@pytest.mark.parametrize("end", ["close", "kill", "os-exit", "sleep"])
@over_starts
def test_what_an_environment_has_started_ends_with_its_worker(
    make: Make, config: dict[str, Any], end: str
) -> None:
    vector = make(on_error="truncate", step_timeout=0.4, **config)
    vector.reset()
    *_, infos = vector.step(["children", "a", "b", "c"])
    started = infos.per_env()[0]["pids"]
    assert all(map(is_alive, started))
    if end == "kill":
        os.kill(pids(vector)[0], signal.SIGKILL)
        vector.step(["a"] * 4)
    elif end == "close":
        vector.close()
    else:
        *_, infos = vector.step([end, "a", "b", "c"])
        assert errors(infos)[0] in ("WorkerDied", "StepTimeout")
    assert eventually(lambda: not any(map(is_alive, started)))


def test_two_vectors_do_not_disturb_each_other(make: Make) -> None:
    for context in ("fork", "forkserver"):
        first = make(num_workers=2, context=context, on_error="truncate")
        second = make(num_workers=2, context=context)
        first.reset()
        second.reset()
        workers = set(pids(first))
        first.step(["sigkill", "a", "b", "c"])
        workers |= set(pids(first))
        observations, *_ = second.step(["a"] * 4)
        assert says(observations, "e0 1 a", "e1 1 a", "e2 1 a", "e3 1 a")
        first.close()
        assert not any(map(is_alive, workers))
        observations, *_ = second.step(["b"] * 4)
        assert says(observations, "e0 2 b", "e1 2 b", "e2 2 b", "e3 2 b")


def test_a_fork_of_the_program_does_not_hold_or_end_the_workers(make: Make) -> None:
    vector = make(num_workers=2)
    vector.reset()
    ready, told = os.pipe()
    fork = os.fork()
    if fork == 0:
        try:
            vector.close()
            os.write(told, b"x")
            time.sleep(1000)
        finally:
            os._exit(0)
    os.read(ready, 1)
    try:
        observations, *_ = vector.step(["a"] * 4)
        assert says(observations, "e0 1 a", "e1 1 a", "e2 1 a", "e3 1 a")
        begun = time.monotonic()
        vector.close(timeout=60)
        assert time.monotonic() - begun < 30
    finally:
        os.kill(fork, signal.SIGKILL)
        os.waitpid(fork, 0)
        os.close(ready)
        os.close(told)


# --- the end of the parent

PROGRAM = """
import functools, os, signal, sys, time
from gym_llm.vector import AsyncVectorEnv
from tests.support.faulty_envs import Faulty

vector = AsyncVectorEnv([functools.partial(Faulty, f"e{{i}}") for i in range(4)], {arguments})
vector.reset()
print(*set(vector.call("pid")), flush=True)
"""


def start(program: str, **arguments: Any) -> tuple["subprocess.Popen[str]", list[int]]:
    """Start a program with a vector; return it and the processes of its workers."""
    text = PROGRAM.format(arguments=", ".join(f"{key}={value!r}" for key, value in arguments.items()))
    process = subprocess.Popen(
        [sys.executable, "-c", text + program],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    return process, [int(pid) for pid in process.stdout.readline().split()]


def finish(process: "subprocess.Popen[str]") -> str:
    """Return what the program still prints, when it has ended."""
    try:
        return process.communicate(timeout=PATIENCE_S)[0]
    finally:
        process.kill()


@pytest.mark.parametrize(
    ("config", "fault"),
    [(HERE[0], "a"), (HERE[1], "sleep"), *((config, "sleep") for config in WORKERS), (WORKERS[1], "a")],
    ids=name_of,
)
def test_exit_without_close_does_not_hang(config: dict[str, Any], fault: str) -> None:
    process, workers = start(f"vector.send([{fault!r}], [1])\n", **config)
    finish(process)
    assert process.returncode == 0
    assert eventually(lambda: not any(map(is_alive, workers)))


@over_starts
@pytest.mark.parametrize("fault", ["a", "hold"])
def test_no_worker_outlives_a_killed_parent(config: dict[str, Any], fault: str) -> None:
    program = f"""
vector.step(["children", "a", "b", "c"])
vector.send([{fault!r}, "children"], [0, 2])
print(*vector.recv(1).infos.per_env()[0]["pids"], flush=True)
time.sleep(1000)
"""
    process, workers = start(program, **config)
    assert process.stdout is not None
    started = [int(pid) for pid in process.stdout.readline().split()]
    assert len(workers) == 2
    process.kill()
    finish(process)
    assert eventually(lambda: not any(map(is_alive, [*workers, *started])))


@over_starts
def test_ctrl_c_stops_the_parent_and_no_worker(config: dict[str, Any]) -> None:
    program = """
try:
    vector.step(["a", "a", "0.5", "a"])
    print("ready", flush=True)
    time.sleep(1000)
except KeyboardInterrupt:
    print(vector.step(["b"] * 4)[0], set(vector.call("pid")), flush=True)
"""
    process, workers = start(program, **config)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    for pid in (process.pid, *workers):
        os.kill(pid, signal.SIGINT)
    said = finish(process)
    assert "'e0 2 b" in said
    assert all(str(pid) in said for pid in workers)


def test_a_vector_made_in_a_thread_lives_on_after_it(make: Make) -> None:
    made: list[AsyncVectorEnv] = []
    thread = threading.Thread(target=lambda: made.append(make(num_workers=2)))
    thread.start()
    thread.join()
    made[0].reset()
    observations, *_ = made[0].step(["a"] * 4)
    assert says(observations, "e0 1 a", "e1 1 a", "e2 1 a", "e3 1 a")
