"""Evaluation against a model server that we did not write: `transformers serve`, tiny local models."""

import importlib.util
import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from gym_llm.cli import main

MAKER = Path(__file__).parents[1] / "support" / "tiny_models.py"
START_LIMIT_S = 180

pytestmark = pytest.mark.skipif(
    not (shutil.which("transformers") and importlib.util.find_spec("torch")),
    reason='needs the extra "serve": pip install "gym-llm[serve]"',
)


@dataclass(frozen=True)
class Server:
    base_url: str
    babble: str
    caller: str


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("models")
    babble, caller = str(folder / "babble"), str(folder / "caller")
    tool = ("company_directory_find_email_address", '{"name": "a"}')
    subprocess.run([sys.executable, str(MAKER), "babble", babble], check=True)
    subprocess.run([sys.executable, str(MAKER), "caller", caller, *tool], check=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    env = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(folder), "OMP_NUM_THREADS": "1"}
    command = ["transformers", "serve", "--host", "127.0.0.1", "--port", str(port), "--device", "cpu"]
    log = (folder / "server.log").open("w")
    process = subprocess.Popen(command, env=env, stdout=log, stderr=subprocess.STDOUT)
    try:
        wait_until_ready(process, f"http://127.0.0.1:{port}/health", folder / "server.log")
        yield Server(f"http://127.0.0.1:{port}/v1", babble, caller)
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        log.close()


def wait_until_ready(process: "subprocess.Popen[bytes]", url: str, log: Path) -> None:
    deadline = time.monotonic() + START_LIMIT_S
    while time.monotonic() < deadline:
        assert process.poll() is None, log.read_text()
        try:
            with urllib.request.urlopen(url, timeout=2):
                return
        except OSError:
            time.sleep(0.2)
    raise AssertionError(f"no answer at {url}: {log.read_text()}")


def evaluate(server: Server, model: str, output: Path, *argv: str) -> list[dict[str, Any]]:
    options = [
        "--model",
        model,
        "--base-url",
        server.base_url,
        "--concurrency",
        "4",
        "--output",
        str(output),
    ]
    assert main(["eval", *argv, *options]) == 0
    assert not (output / "failures.jsonl").exists()
    return [json.loads(line) for line in (output / "rollouts.jsonl").read_text().splitlines()]


def test_questions_and_cards(server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    limits = ("--limit", "4", "--param", "max_tokens=24", "--param", "temperature=1.0", "--send-seed")
    rollouts = evaluate(server, server.babble, tmp_path / "run", "MCQA", "Blackjack", *limits)
    assert len(rollouts) == 8
    for rollout in rollouts:
        answer = next(m for m in rollout["messages"] if m["role"] == "assistant")
        assert answer["content"]
        assert rollout["calls"][0]["output_tokens"] >= 24
    out = capsys.readouterr().out
    assert "gym_llm/MCQA-v0" in out
    assert "gym_llm/Blackjack-v0" in out


def test_tools_are_called_over_several_turns(server: Server, tmp_path: Path) -> None:
    limits = ("--limit", "2", "--param", "max_tokens=32", "--param", "temperature=0")
    for rollout in evaluate(server, server.caller, tmp_path / "run", "WorkplaceAssistant", *limits):
        roles = [m["role"] for m in rollout["messages"]]
        assert roles[-3:] == ["assistant", "tool", "assistant"]
        call, result, answer = rollout["messages"][-3:]
        assert call["tool_calls"][0]["function"]["name"] == "company_directory_find_email_address"
        assert "@" in result["content"]
        assert answer["content"] == "The tool has answered."
