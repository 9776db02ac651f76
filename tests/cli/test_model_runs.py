"""``gym-llm eval`` with a model: the scripted server answers as a real one would."""

import json
from pathlib import Path
from typing import Any

import pytest

from gym_llm.cli import main
from gym_llm.rollouts.run_folder import RunFolder
from tests.support.judge_server import Reply, Request, ScriptedServer


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


def by_the_prompt(request: Request) -> Reply:
    """Answer by the conversation and the seed alone, at odd times."""
    number = sum(request.text.encode()) + request.body["seed"]
    moves = f"<action>{'hit' if number % 3 else 'stand'}</action>"
    return {"content": f"\\boxed{{{'ABCD'[number % 4]}}} {moves}", "delay_s": number % 7 / 100}


def test_records_are_the_same_bytes_at_any_concurrency(tmp_path: Path) -> None:
    found = {}
    with ScriptedServer(by_the_prompt) as server:
        for concurrency in (1, 64, 512):
            folder = tmp_path / str(concurrency)
            options = ["--repeats", "4", "--send-seed", "--seed", "7", "--concurrency", str(concurrency)]
            assert evaluate(server.base_url, folder, "MCQA", "Blackjack", *options) == 0
            lines = [json.dumps(r.without_times()) for r in RunFolder(folder).everything()]
            found[concurrency] = "\n".join(lines).encode()
        assert len({r.body["seed"] for r in server.requests}) == found[1].count(b"\n") + 1
    assert found[1] == found[64] == found[512]
    assert len({r["reward"] for r in map(json.loads, found[1].splitlines())}) > 2


def test_answers_from_the_cache_cost_nothing_and_repeats_have_their_own(tmp_path: Path) -> None:
    models = tmp_path / "models.toml"
    usage = {"prompt_tokens": 1000, "completion_tokens": 1}
    with ScriptedServer(lambda request: {"content": "A", "usage": usage}) as server:
        models.write_text(
            f'[models.m]\nmodel = "scripted"\nbase_url = "{server.base_url}"\n'
            "prices = {input = 2.0, output = 0.0}\n"
        )
        options = ["--model", "m", "--models", str(models), "--cache", str(tmp_path / "cache.sqlite")]
        command = ["eval", "MCQA", *options, "--repeats", "2", "--limit", "3", "--output"]
        assert main([*command, str(tmp_path / "first")]) == 0
        assert len(server.requests) == 6
        assert main([*command, str(tmp_path / "second")]) == 0
        assert len(server.requests) == 6
    first, second = (list(RunFolder(tmp_path / name).everything()) for name in ("first", "second"))
    assert [r.cost for r in first] == [0.002] * 6
    assert [(r.cost, r.calls[0].is_cached, r.timings.attempts) for r in second] == [(0.0, True, 0)] * 6


def test_a_run_ends_when_its_money_is_spent(tmp_path: Path) -> None:
    models = tmp_path / "models.toml"
    usage = {"prompt_tokens": 1_000_000, "completion_tokens": 1}
    with ScriptedServer(lambda request: {"content": "A", "usage": usage}) as server:
        models.write_text(
            f'[models.m]\nmodel = "scripted"\nbase_url = "{server.base_url}"\n'
            "prices = {input = 1.0, output = 0.0}\n"
        )
        options = ["--model", "m", "--models", str(models), "--max-cost", "2.5", "--concurrency", "1"]
        assert main(["eval", "MCQA", *options, "--output", str(tmp_path / "run")]) == 1
        assert len(server.requests) == 3
    run = RunFolder(tmp_path / "run")
    assert len(list(run.everything())) == 3
    assert run.metrics()["environments"]["gym_llm/MCQA-v0"]["counts"]["never_run"] == 5
    assert run.metrics()["requests"] == {"sent": 3}
