"""Runs that are broken off: by Ctrl-C, by SIGTERM, by kill -9; and what --resume makes of them."""

import json
import os
import random
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gym_llm.rollouts.run_folder import RunFolder
from tests.support.judge_server import Reply, Request, ScriptedServer

IDS = ["MCQA", "Blackjack"]
COMMAND = [sys.executable, "-m", "gym_llm", "eval", *IDS]


def answer(request: Request) -> Reply:
    """Answer by the prompt alone, so that every run gets the same."""
    letter = "ABCD"[len(request.text) % 4]
    text = f"\\boxed{{{letter}}} <action>{'hit' if len(request.text) % 3 else 'stand'}</action>"
    return {"content": text, "delay_s": 0.03}


@pytest.fixture(scope="module")
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer(answer) as found:
        yield found


def options(server: ScriptedServer, output: Path, *more: str) -> list[str]:
    model = ["--model", "m", "--base-url", server.base_url, "--retries", "0"]
    return [*COMMAND, *model, "--repeats", "6", "--concurrency", "4", "--output", str(output), *more]


def start(command: list[str]) -> "subprocess.Popen[str]":
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def lines(folder: Path) -> int:
    found = folder / "rollouts.jsonl"
    return found.read_bytes().count(b"\n") if found.exists() else 0


def wait_for_lines(process: "subprocess.Popen[str]", folder: Path, count: int) -> None:
    deadline = time.monotonic() + 60
    while lines(folder) < count and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.005)


def records(folder: Path) -> list[dict[str, Any]]:
    return [rollout.without_times() for rollout in RunFolder(folder).everything()]


@pytest.fixture(scope="module")
def finished(server: ScriptedServer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that nothing disturbed."""
    folder = tmp_path_factory.mktemp("runs") / "whole"
    done = subprocess.run(options(server, folder), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = records(folder)
    keys = {(r["env_id"], r["task_index"], r["repeat"]) for r in found}
    assert len(found) == len(keys) > 70
    return folder


@pytest.fixture(scope="module")
def whole(finished: Path) -> list[dict[str, Any]]:
    return records(finished)


@pytest.fixture
def copied(finished: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished, tmp_path / "copy"))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_run_that_can_be_resumed(
    server: ScriptedServer, whole: list[dict[str, Any]], tmp_path: Path, number: signal.Signals
) -> None:
    folder = tmp_path / "run"
    process = start(options(server, folder, "--workers", "2"))
    wait_for_lines(process, folder, 10)
    children = _children(process.pid)
    assert children
    process.send_signal(number)
    sent = time.monotonic()
    _, err = process.communicate(timeout=30)
    assert process.returncode == 128 + number, err
    assert time.monotonic() - sent < 10
    # The server that forks the workers ends by itself when its parent is gone.
    deadline = time.monotonic() + 5
    while (left := [pid for pid in children if _is_alive(pid)]) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not left
    cancelled = list(RunFolder(folder).failures())
    assert {r.failure.kind for r in cancelled if r.failure} == {"cancelled"}
    assert 1 <= len(cancelled) <= 4
    command = next(line for line in err.splitlines() if line.startswith("to go on: "))
    words = shlex.split(command.removeprefix("to go on: "))
    assert words[0] == "gym-llm"
    resumed = subprocess.run([*COMMAND[:3], *words[1:]], capture_output=True, text=True)
    assert resumed.returncode == 0, resumed.stderr
    assert records(folder) == whole


def test_killed_at_any_moment_and_resumed_it_is_the_same_run(
    server: ScriptedServer, whole: list[dict[str, Any]], tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    rng = random.Random(5)
    kills = 0
    for attempt in range(30):
        more = ["--resume"] if (folder / "manifest.json").exists() else []
        process = start(options(server, folder, "--workers", "2", *more))
        # Few rollouts each time, so that it takes several processes to get to the end.
        wait_for_lines(process, folder, lines(folder) + rng.randint(1, 40))
        time.sleep(rng.random() * 0.05)
        if attempt >= 4:
            break
        process.kill()
        process.communicate()
        kills += process.returncode == -signal.SIGKILL
    _, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    assert kills >= 3
    assert records(folder) == whole


def test_a_torn_last_line_is_cut_off(
    server: ScriptedServer, whole: list[dict[str, Any]], copied: Path
) -> None:
    folder = copied
    path = folder / "rollouts.jsonl"
    data = path.read_bytes()
    path.write_bytes(data[: len(data) - 37])
    done = subprocess.run(options(server, folder, "--resume"), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert records(folder) == whole
    assert path.read_bytes().count(b"\n") == len(whole)


@pytest.mark.parametrize(
    ("change", "name"),
    [
        (["--model", "other"], 'model was "m", now "other"'),
        (["--param", "temperature=0.5"], 'sampling was {}, now {"temperature": 0.5}'),
        (["--seed", "9"], "seed was 0, now 9"),
        (["--repeats", "2"], "repeats was 6, now 2"),
    ],
)
def test_another_run_cannot_be_resumed(
    server: ScriptedServer, whole: list[dict[str, Any]], copied: Path, change: list[str], name: str
) -> None:
    done = subprocess.run(options(server, copied, "--resume", *change), capture_output=True, text=True)
    assert done.returncode == 2
    assert name in done.stderr
    assert records(copied) == whole


def test_a_run_over_other_data_cannot_be_resumed(server: ScriptedServer, tmp_path: Path) -> None:
    data, folder = tmp_path / "tasks.jsonl", tmp_path / "run"
    row = {"question": "?", "options": [{"A": "x"}, {"B": "y"}], "expected_answer": "A"}
    command = [*COMMAND[:4], "MCQA", "--agent", "null", "--tasks", str(data), "--output", str(folder)]
    data.write_text(json.dumps(row) + "\n")
    assert subprocess.run(command).returncode == 0
    data.write_text(json.dumps({**row, "expected_answer": "B"}) + "\n")
    done = subprocess.run([*command, "--resume"], capture_output=True, text=True)
    assert done.returncode == 2
    assert "gym_llm/MCQA-v0: digest was" in done.stderr


def test_two_processes_cannot_write_one_run(server: ScriptedServer, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    process = start(options(server, folder))
    wait_for_lines(process, folder, 1)
    second = subprocess.run(options(server, folder, "--resume"), capture_output=True, text=True)
    process.kill()
    process.communicate()
    assert second.returncode == 2
    assert "another process writes to it" in second.stderr


def _children(pid: int) -> list[int]:
    found, todo = [], [pid]
    while todo:
        parent = todo.pop()
        for thread in Path(f"/proc/{parent}/task").glob("*/children"):
            todo.extend(map(int, thread.read_text().split()))
        found.append(parent)
    return found[1:]


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return _state(pid) != "Z"


def _state(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return "Z"
