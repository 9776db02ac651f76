"""RayVectorEnv on a real cluster of two nodes, which this module starts on this machine."""

import asyncio
import contextlib
import functools
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gym_llm.errors import ConfigError, EnvFailedError, MissingExtraError
from gym_llm.vector import AsyncVectorEnv, RayVectorEnv, SyncVectorEnv
from tests.support.ray_cluster import IGNORED_WARNINGS, NODE, ROOT, started_cluster
from tests.support.vector_envs import Slow

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    ray: Any = pytest.importorskip("ray")

pytestmark = IGNORED_WARNINGS
NUM_ENVS = 6
LIMIT_S = 60.0


class Placed(Slow):
    """Knows where it runs; can raise, exit and hang."""

    def where(self) -> tuple[str, int]:
        """Return the node and the process."""
        return ray.get_runtime_context().get_node_id(), os.getpid()

    def step(self, action: str) -> tuple[str, float, bool, bool, dict[str, Any]]:
        if action == "raise":
            raise ValueError("no such word")
        if action == "exit":
            os._exit(3)
        return super().step(action)


def placed() -> list[Any]:
    return [functools.partial(Placed, f"w{i}", 2 + i % 3) for i in range(NUM_ENVS)]


@pytest.fixture
def folder() -> Iterator[str]:
    """A folder for Ray's files. Not pytest's own: paths of sockets must be short."""
    path = tempfile.mkdtemp(prefix="ray")
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    with started_cluster() as found:
        yield found


@pytest.fixture
def nodes(cluster: Any) -> Any:
    """The cluster, with two nodes."""
    if len(cluster.list_all_nodes()) < 2:
        cluster.add_node(**NODE)
    cluster.wait_for_nodes()
    return cluster


@contextlib.contextmanager
def vector(**kwargs: Any) -> Iterator[AsyncVectorEnv]:
    envs = RayVectorEnv(placed(), **{"num_workers": 4, "on_error": "truncate", **kwargs})
    try:
        yield envs
    finally:
        envs.close()


def episodes(envs: AsyncVectorEnv) -> list[Any]:
    """Return all that a seeded run of a few steps gives, as lists."""
    observations, infos = envs.reset(seed=7)
    found: list[Any] = [(observations, infos.per_env())]
    for number in range(6):
        observations, *columns, infos = envs.step(["0", "", "0.001", "", "0", str(number / 1000)])
        found.append((observations, *(column.tolist() for column in columns), infos.per_env()))
    return found


def is_gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def left(pids: list[int]) -> list[int]:
    """Return those processes that do not end."""
    deadline = time.monotonic() + LIMIT_S
    while not all(map(is_gone, pids)) and time.monotonic() < deadline:
        time.sleep(0.05)
    return [pid for pid in pids if not is_gone(pid)]


@pytest.mark.usefixtures("nodes")
@pytest.mark.parametrize(
    "kwargs",
    [
        pytest.param({}, id="a-call-a-worker"),
        pytest.param({"threads": 2, "num_workers": 2}, id="threads"),
        pytest.param({"step_timeout": 60.0, "num_workers": 2}, id="a-call-an-environment"),
        pytest.param({"autoreset_mode": "SameStep", "num_workers": 2}, id="same-step"),
    ],
)
def test_same_results_as_in_process(kwargs: dict[str, Any]) -> None:
    mode = kwargs.get("autoreset_mode", "NextStep")
    theirs = SyncVectorEnv(placed(), autoreset_mode=mode)
    with vector(**kwargs) as ours:
        assert str(episodes(ours)) == str(episodes(theirs))


@pytest.mark.usefixtures("nodes")
def test_both_nodes_hold_workers_and_closing_leaves_nothing() -> None:
    with vector() as envs:
        places = envs.call("where")
        assert len({node for node, _ in places}) == 2
        assert len({pid for _, pid in places}) == 4
    assert left([pid for _, pid in places]) == []
    assert ray.is_initialized(), "only a Ray that the vector started may be shut down by it"


@pytest.mark.usefixtures("nodes")
def test_slow_environments_hold_nobody_up() -> None:
    with vector(num_workers=3) as envs:
        envs.reset(seed=0)
        envs.send(["3", "0", "0"], [0, 2, 4])
        first = envs.recv(2)
        assert sorted(first.env_ids) == [2, 4]
        envs.send(["0"], [2])
        assert envs.recv(1).env_ids.tolist() == [2]
        assert envs.recv(1).observations[0].startswith("w0 1 3")


@pytest.mark.usefixtures("nodes")
def test_threads_step_environments_of_one_actor_at_the_same_time() -> None:
    with vector(num_workers=1, threads=NUM_ENVS) as envs:
        envs.reset(seed=0)
        envs.send(["30"] + ["0"] * (NUM_ENVS - 1), range(NUM_ENVS))
        assert sorted(envs.recv(NUM_ENVS - 1, timeout=LIMIT_S).env_ids) == [1, 2, 3, 4, 5]


@pytest.mark.usefixtures("nodes")
def test_coroutines_step_environments() -> None:
    async def episode(envs: AsyncVectorEnv, i: int) -> list[str]:
        observation, _ = await envs.reset_one(i, seed=i)
        seen = [observation]
        ended = False
        while not ended:
            observation, _, ended, _, _ = await envs.step_one(i, "0.01")
            seen.append(observation)
        return seen

    async def run(envs: AsyncVectorEnv) -> list[list[str]]:
        return await asyncio.gather(*(episode(envs, i) for i in range(NUM_ENVS)))

    with vector(num_workers=3) as envs:
        found = asyncio.run(run(envs))
    assert found == asyncio.run(run(SyncVectorEnv(placed())))
    assert [len(seen) for seen in found] == [3, 4, 5, 3, 4, 5]


@pytest.mark.usefixtures("nodes")
def test_an_exception_ends_one_episode_and_a_dead_actor_those_of_its_environments() -> None:
    with vector(num_workers=2, on_error="raise") as envs:
        envs.reset(seed=0)
        with pytest.raises(EnvFailedError, match="no such word") as caught:
            envs.step(["", "", "", "raise", "", ""])
        assert caught.value.env_id == 3
        assert "in step" in caught.value.traceback
        envs.on_error = "truncate"
        envs.reset(seed=0)
        _, _, _, truncations, infos = envs.step(["exit", "", "", "", "", ""])
        assert truncations.tolist() == [True, True, True, False, False, False]
        assert "WorkerLost" in infos.per_env()[0]["error"]
        observations, *_ = envs.step([""] * NUM_ENVS)
        assert observations[0].startswith("w0 reset")


@pytest.mark.usefixtures("nodes")
def test_a_step_past_its_deadline_is_ended_and_named() -> None:
    with vector(num_workers=2, step_timeout=2.0) as envs:
        envs.reset(seed=0)
        # Those after it in the actor must not be taken for hung, though they wait as long.
        _, _, _, truncations, infos = envs.step(["0", "600", "0", "0", "0", "0"])
        assert truncations.tolist() == [False, True, True, False, False, False]
        errors = [info.get("error", "") for info in infos.per_env()]
        assert "StepTimeout" in errors[1]
        assert "environment 1" in errors[2]
        observations, *_ = envs.step([""] * NUM_ENVS)
        assert observations[1].startswith("w1 reset")


@pytest.mark.usefixtures("nodes")
def test_an_actor_that_is_stopped_between_steps_ends_at_its_deadline() -> None:
    with vector(num_workers=2, step_timeout=2.0) as envs:
        envs.reset(seed=0)
        stopped = envs.call("where")[0][1]
        os.kill(stopped, signal.SIGSTOP)
        _, _, _, truncations, infos = envs.step([""] * NUM_ENVS)
        assert truncations.tolist() == [True, True, True, False, False, False]
        assert "StepTimeout" in infos.per_env()[0]["error"]
        observations, *_ = envs.step([""] * NUM_ENVS)
        assert [o.split()[1] for o in observations] == ["reset"] * 3 + ["2"] * 3
        assert left([stopped]) == []


def test_environments_of_a_lost_node_go_on_on_the_other(nodes: Any) -> None:
    with vector() as envs:
        envs.reset(seed=0)
        doomed = next(n for n in nodes.list_all_nodes() if not n.head)
        before = [node for node, _ in envs.call("where")]
        lost = [i for i, node in enumerate(before) if node == doomed.node_id]
        kept = [i for i in range(NUM_ENVS) if i not in lost]
        assert lost
        assert kept
        envs.send(["600" if i in lost else "0" for i in range(NUM_ENVS)], range(NUM_ENVS))
        assert sorted(envs.recv(len(kept)).env_ids) == kept

        nodes.remove_node(doomed, allow_graceful=False)
        batch = envs.recv(len(lost), timeout=LIMIT_S)
        assert sorted(batch.env_ids) == lost
        assert batch.truncations.all()
        assert all("its node" in info["error"] for info in batch.infos.per_env())

        observations, *_, infos = envs.step([""] * NUM_ENVS)
        assert [o.split()[1] for o in observations] == [
            "reset" if i in lost else "2" for i in range(NUM_ENVS)
        ]
        assert not any("error" in info for info in infos.per_env())
        assert {node for node, _ in envs.call("where")} == set(before) - {doomed.node_id}


SCRIPT = """
import ray, gym_llm.vector
from tests.support.vector_envs import Walk
first = gym_llm.vector.RayVectorEnv(Walk, 2, num_workers=1)
second = gym_llm.vector.RayVectorEnv(Walk, 3)
first.close()
print(second.reset(seed=0)[0] == gym_llm.vector.SyncVectorEnv(Walk, 3).reset(seed=0)[0])
second.close()
print(ray.is_initialized())
"""


def test_ray_is_started_where_none_runs_and_shut_down_with_the_last_vector(folder: str) -> None:
    environ = {k: v for k, v in os.environ.items() if not k.startswith("RAY_")}
    environ |= {"RAY_TMPDIR": folder, "RAY_USAGE_STATS_ENABLED": "0"}
    environ["PYTHONPATH"] = os.pathsep.join([str(ROOT), environ.get("PYTHONPATH", "")])
    command = [sys.executable, "-c", SCRIPT]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=120)
    assert done.stdout.split() == ["True", "False"], done.stderr


def test_vectors_do_not_import_ray_before_it_is_needed() -> None:
    program = "import sys, gym_llm.vector; gym_llm.vector.RayVectorEnv; print('ray' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT)
    assert done.stdout.strip() == "False"


def test_missing_package_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingExtraError, match=r"gym-llm\[ray\]"):
        RayVectorEnv(placed())


def test_no_workers_are_refused() -> None:
    with pytest.raises(ConfigError, match="num_workers"):
        RayVectorEnv(placed(), num_workers=0)
