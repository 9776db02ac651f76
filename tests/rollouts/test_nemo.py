"""Rollout files of NeMo Gym: recorded ones read, ours written and read back, bad lines named."""

import json
from pathlib import Path
from typing import Any

import pytest

from gym_llm.errors import DataError, RowError
from gym_llm.rollouts.nemo import (
    read_aggregate,
    read_rollouts,
    rollout_from_row,
    row_from_rollout,
    write_rollouts,
)
from gym_llm.rollouts.records import CallRecord, FailureRecord, Rollout, TokenSegment
from tests.conformance.harness import SHARED, read_jsonl
from tests.support.runs import MCQA, make_run, rollout

RECORDED = sorted((SHARED / "peer_rollouts").glob("*.jsonl")) if SHARED.is_dir() else []


def text_item(text: str, **more: Any) -> dict[str, Any]:
    part = {"type": "output_text", "text": text, "annotations": []}
    return {"id": "m", "type": "message", "role": "assistant", "content": [part], **more}


def row(**values: Any) -> dict[str, Any]:
    """Return a rollout row as NeMo Gym writes it."""
    return {
        "reward": 1.0,
        "expected_answer": "B",
        "extracted_answer": "B",
        "response": {
            "id": "resp_1",
            "model": "m",
            "status": "completed",
            "output": [text_item("\\boxed{B}")],
            "usage": {
                "input_tokens": 31,
                "input_tokens_details": {"cached_tokens": 4},
                "output_tokens": 5,
                "output_tokens_details": {"reasoning_tokens": 2},
                "total_tokens": 36,
            },
        },
        "responses_create_params": {
            "instructions": "Be brief.",
            "input": [{"role": "user", "content": "Pick one."}],
            "temperature": 0.7,
        },
        "_ng_task_index": 2,
        "_ng_rollout_index": 3,
        "agent_ref": {"type": "responses_api_agents", "name": "mcqa_simple_agent"},
        **values,
    }


def write(path: Path, *lines: Any) -> Path:
    path.write_text("".join(x if isinstance(x, str) else json.dumps(x) + "\n" for x in lines))
    return path


def kept(rollout: Rollout) -> dict[str, Any]:
    """Return what a reader needs of a rollout."""
    return {
        "place": rollout.key,
        "reward": (rollout.reward, rollout.rewards, rollout.state),
        "messages": rollout.messages,
        "tools": [tool["function"]["name"] for tool in rollout.tools or ()],
        "turns": rollout.turns,
        "usage": [rollout.total(n) for n in ("input_tokens", "output_tokens", "reasoning_tokens")],
        "fields": rollout.fields,
        "tokens": rollout.tokens,
        "failure": rollout.failure,
    }


def test_row_is_read() -> None:
    found = rollout_from_row(row())
    assert found.key == (MCQA, 2, 3)
    assert (found.reward, found.state, found.turns, found.step_rewards) == (1.0, "completed", 1, [1.0])
    assert found.messages == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Pick one."},
        {"role": "assistant", "content": "\\boxed{B}"},
    ]
    assert found.fields["extracted_answer"] == "B"
    assert found.calls == [
        CallRecord(
            input_tokens=31,
            output_tokens=5,
            reasoning_tokens=2,
            cached_tokens=4,
            finish_reason="stop",
            model="m",
        )
    ]


def test_tool_calls_thoughts_and_components() -> None:
    items = [
        {"type": "reasoning", "summary": [{"type": "summary_text", "text": "Hm."}]},
        {"type": "function_call", "call_id": "c1", "name": "look", "arguments": '{"at": 1}'},
        {"type": "function_call_output", "call_id": "c1", "output": "42"},
        {"type": "web_search_call", "id": "w"},
        text_item("It is 42."),
    ]
    components = {"safety": 1.0, "utility": 0.5}
    found = rollout_from_row(
        row(
            response={"output": items, "incomplete_details": {"reason": "max_output_tokens"}},
            reward_components=components,
            **components,
            truncated=True,
        )
    )
    assert [m["role"] for m in found.messages[2:]] == ["assistant", "tool", "assistant"]
    assert found.messages[2]["reasoning_content"] == "Hm."
    assert found.messages[2]["tool_calls"][0]["function"] == {"name": "look", "arguments": '{"at": 1}'}
    assert (found.rewards, found.turns, found.state) == (components, 2, "truncated")
    assert kept(rollout_from_row(row_from_rollout(found))) == kept(found)


def test_output_of_growing_snapshots_is_read_once() -> None:
    question = {"role": "user", "content": "q", "type": "message"}
    found = rollout_from_row(row(response={"output": [[question], [question, text_item("a")]]}))
    assert [m["content"] for m in found.messages[2:]] == ["q", "a"]


def test_token_ids_become_one_masked_sequence_and_come_back() -> None:
    first = {"prompt_token_ids": [1, 2], "generation_token_ids": [3], "generation_log_probs": [-0.5]}
    second = {
        "prompt_token_ids": [1, 2, 3, 4],
        "generation_token_ids": [5, 6],
        "generation_log_probs": [-1, -2],
    }
    items = [text_item("a", **first), {"role": "user", "content": "u"}, text_item("b", **second)]
    found = rollout_from_row(row(response={"output": items}))
    assert found.tokens == [
        TokenSegment(
            token_ids=[1, 2, 3, 4, 5, 6],
            loss_mask=[0, 0, 1, 0, 1, 1],
            logprobs=[None, None, -0.5, None, -1, -2],
        )
    ]
    output = row_from_rollout(found)["response"]["output"]
    assert {k: output[2][k] for k in second} == second
    assert {k: output[0][k] for k in first} == first


def test_failed_row_has_its_cause() -> None:
    failed = {"_ng_failure_class": "judge_failed", "_ng_failure_judge_error": "HTTP 500"}
    found = rollout_from_row({**row(), **failed})
    assert found.state == "failed"
    assert found.failure == FailureRecord(kind="judge_error", cause="judge_failed", message="HTTP 500")
    assert not {name for name in found.fields if name.startswith("_ng")}
    assert kept(rollout_from_row(row_from_rollout(found))) == kept(found)


@pytest.mark.parametrize(
    ("agent", "env_id"),
    [
        ("mcqa_simple_agent", MCQA),
        ("example_multi_step_simple_agent", "gym_llm/ExampleMultiStep-v0"),
        ("blackjack_gymnasium_agent", "gym_llm/Blackjack-v0"),
        ("mcqax_agent", "nemo_gym/mcqax_agent"),
    ],
)
def test_agents_name_their_environment(agent: str, env_id: str) -> None:
    assert rollout_from_row(row(agent_ref={"name": agent})).env_id == env_id
    assert rollout_from_row(row(agent_ref={"name": agent}), "other/X-v0").env_id == "other/X-v0"


def test_rows_without_indices_are_numbered_by_prompt(tmp_path: Path) -> None:
    def asked(text: str) -> dict[str, Any]:
        found = row(responses_create_params={"input": text})
        return {k: v for k, v in found.items() if not k.startswith("_ng")}

    path = write(tmp_path / "x.jsonl", asked("a"), asked("b"), asked("a"))
    assert [r.key[1:] for r in read_rollouts(path)] == [(0, 0), (1, 0), (0, 1)]


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        pytest.param("{\n", "not valid JSON", id="json"),
        pytest.param([1], "expected an object, got list", id="no-object"),
        pytest.param({k: v for k, v in row().items() if k != "reward"}, "reward: missing", id="reward"),
        pytest.param(row(response=None), "response: missing", id="response"),
        pytest.param(row(reward="much"), "reward: Input should be a valid number", id="type"),
        pytest.param(row(response={"output": [{"type": "message"}]}), "response.output: ", id="item"),
        pytest.param(
            row(response={"output": [], "usage": {"output_tokens": "x"}}),
            "response.usage.output_tokens: ",
            id="usage",
        ),
        pytest.param(
            row(responses_create_params={"input": [{"role": "user", "content": 7}]}),
            "responses_create_params.input: ",
            id="prompt",
        ),
        pytest.param(row(_ng_task_index=-1), "_ng_task_index: ", id="index"),
        pytest.param(row(reward=float("nan")), "reward: Input should be a finite number", id="nan"),
    ],
)
def test_bad_line_is_named(tmp_path: Path, bad: Any, reason: str) -> None:
    path = write(tmp_path / "x.jsonl", row(), bad, row())
    with pytest.raises(RowError, match=reason) as caught:
        list(read_rollouts(path))
    assert (caught.value.source, caught.value.line) == (str(path), 2)


def test_torn_last_line_is_left_out(tmp_path: Path) -> None:
    path = write(tmp_path / "x.jsonl", row(), json.dumps(row())[:50])
    assert len(list(read_rollouts(path))) == 1


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none\.jsonl cannot be read"):
        list(read_rollouts(tmp_path / "none.jsonl"))


def test_run_is_written_and_read_back(tmp_path: Path) -> None:
    lost = FailureRecord(kind="judge_error", cause="JudgeError", message="down")
    run = make_run(
        tmp_path / "run",
        [
            rollout(1, 0, 1.0),
            rollout(0, 1, 0.0, answer=None),
            rollout(0, 0, 1.0),
            rollout(1, 1, failure=lost),
        ],
    )
    good, bad, inputs, aggregate = write_rollouts(run, tmp_path / "out" / "x.jsonl")
    assert [path.name for path in (good, bad, inputs, aggregate)] == [
        "x.jsonl",
        "x_failures.jsonl",
        "x_materialized_inputs.jsonl",
        "x_aggregate_metrics.json",
    ]
    back = list(read_rollouts(good))
    assert [r.key for r in back] == [(MCQA, 0, 0), (MCQA, 0, 1), (MCQA, 1, 0)]
    assert [r.messages for r in back] == [
        r.messages for r in sorted(run.rollouts(), key=lambda r: r.key)
    ]
    assert [r.state for r in read_rollouts(bad)] == ["failed"]
    asked = read_jsonl(inputs)
    assert [(a["_ng_task_index"], a["_ng_rollout_index"], a["level"]) for a in asked] == [
        (0, 0, "hard"),
        (0, 1, "hard"),
        (1, 0, "easy"),
        (1, 1, "easy"),
    ]
    (agent,) = read_aggregate(aggregate)
    assert agent.agent_ref == {"name": "mcqa_simple_agent"}
    assert agent.key_metrics["mean/reward"] == pytest.approx(2 / 3)


def test_tasks_of_several_environments_get_numbers_of_their_own(tmp_path: Path) -> None:
    simple = "gym_llm/SimpleQA-v0"
    run = make_run(tmp_path / "run", [rollout(0), rollout(1), rollout(0, env_id=simple)])
    path = write_rollouts(run, tmp_path / "x.jsonl")[0]
    assert sorted(r.key for r in read_rollouts(path)) == [(MCQA, 0, 0), (MCQA, 1, 0), (simple, 2, 0)]


def test_pictures_and_examples_of_the_prompt_come_back() -> None:
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}
    messages = [
        {"role": "user", "content": [picture, {"type": "text", "text": "How many?"}]},
        {"role": "assistant", "content": "3"},
        {"role": "user", "content": "And now?"},
        {"role": "assistant", "content": "4"},
    ]
    tool: dict[str, Any] = {
        "type": "function",
        "function": {"name": "look", "parameters": {"type": "object"}},
    }
    written = row_from_rollout(rollout(0, messages=messages, tools=[tool]))
    assert len(written["response"]["output"]) == 1
    back = rollout_from_row(written)
    assert (back.messages, back.turns) == (messages, 1)
    assert back.tools == [{"type": "function", "function": {**tool["function"], "strict": True}}]


@pytest.mark.skipif(not RECORDED, reason="recorded rollouts are not in the repository")
@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.stem)
def test_recorded_rollouts_read_and_survive(path: Path, tmp_path: Path) -> None:
    records = read_jsonl(path)
    rows = [
        {
            **record["row"],
            "reward": record["reward"],
            "response": {"output": record["output"]},
            "_ng_task_index": record["line"],
            "_ng_rollout_index": number,
        }
        for number, record in enumerate(records)
    ]
    found = list(read_rollouts(write(tmp_path / "x.jsonl", *rows)))
    assert [r.reward for r in found] == [record["reward"] for record in records]
    assert [r.task_index for r in found] == [record["line"] for record in records]
    again = [rollout_from_row(row_from_rollout(r)) for r in found]
    for before, after in zip(found, again, strict=True):
        ours, theirs = kept(before), kept(after)
        for survived in (ours, theirs):
            survived["fields"].pop("agent_ref", None)
        assert {k: v for k, v in ours.items() if k != "place"} == {
            k: v for k, v in theirs.items() if k != "place"
        }
        assert before.key[1:] == after.key[1:]
