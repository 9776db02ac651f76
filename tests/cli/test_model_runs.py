"""``gym-llm eval`` with a model: the scripted server answers as a real one would."""

import json
from pathlib import Path
from typing import Any

import pytest

from gym_llm.cli import main
from tests.support.judge_server import ScriptedServer


def evaluate(server: str, output: Path, *argv: str) -> int:
    model = ["--model", "scripted", "--base-url", server, "--retries", "0"]
    return main(["eval", *argv, *model, "--output", str(output)])


def records(path: Path) -> list[dict[str, Any]]:
    found = [json.loads(line) for line in path.read_text().splitlines()]
    return sorted(found, key=lambda r: r["task_index"])


def test_model_answers_questions(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with ScriptedServer(lambda request: {"content": r"\boxed{B}"}) as server:
        assert (
            evaluate(server.base_url, tmp_path, "MCQA", "--limit", "4", "--param", "temperature=0.5")
            == 0
        )
        assert {r.body["temperature"] for r in server.requests} == {0.5}
    assert [r["reward"] for r in records(tmp_path / "rollouts.jsonl")] == [1.0, 0.0, 0.0, 0.0]
    assert "gym_llm/MCQA-v0" in capsys.readouterr().out


def test_tool_results_go_back_to_the_model(tmp_path: Path) -> None:
    def reply(request: Any) -> dict[str, Any]:
        if request.body["messages"][-1]["role"] == "tool":
            return {"content": "It is cold."}
        call = {"name": "get_weather", "arguments": '{"city": "Oslo"}'}
        return {"content": None, "tool_calls": [{"id": "c1", "type": "function", "function": call}]}

    with ScriptedServer(reply) as server:
        assert evaluate(server.base_url, tmp_path, "ExampleSingleToolCall", "--limit", "1") == 0
        assert server.requests[0].body["tools"][0]["function"]["name"] == "get_weather"
        last = server.requests[-1].body["messages"]
    assert [m["role"] for m in last[-2:]] == ["assistant", "tool"]
    assert last[-1]["tool_call_id"] == "c1"
    (record,) = records(tmp_path / "rollouts.jsonl")
    assert record["turns"] == 2


def test_refused_request_fails_its_rollout_only(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def reply(request: Any) -> dict[str, Any]:
        bad = "photosynthesis" in str(request.body["messages"])
        return {"status": 400} if bad else {"content": r"\boxed{C}"}

    with ScriptedServer(reply) as server:
        assert evaluate(server.base_url, tmp_path, "MCQA") == 1
    (failure,) = records(tmp_path / "failures.jsonl")
    assert failure["failure"]["kind"] == "model_http"
    assert failure["failure"]["cause"] == "HTTP 400"
    assert len(records(tmp_path / "rollouts.jsonl")) == 7
    assert "1 of 8" in capsys.readouterr().out


def test_endpoint_down_is_one_error_that_names_the_url(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert evaluate("http://127.0.0.1:9/v1", tmp_path, "MCQA") == 1
    err = capsys.readouterr().err
    assert err.count("gym-llm: error:") == 1
    assert "http://127.0.0.1:9/v1" in err
    assert (tmp_path / "metrics.json").exists()


def test_endpoint_that_goes_down_leaves_the_finished_rollouts(tmp_path: Path) -> None:
    count = 0

    def reply(request: Any) -> dict[str, Any]:
        nonlocal count
        count += 1
        return {"status": 401} if count > 3 else {"content": r"\boxed{B}"}

    with ScriptedServer(reply) as server:
        assert evaluate(server.base_url, tmp_path, "MCQA", "--concurrency", "1") == 1
    assert len(records(tmp_path / "rollouts.jsonl")) == 3
