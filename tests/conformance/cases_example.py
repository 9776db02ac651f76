"""The example environments."""

import dataclasses
import re

from tests.conformance.harness import Case, Record, Replay


def count_from_prompt(record: Record, replay: Replay) -> Replay:
    """Restore the counts: the recorded tasks start two above their first increment."""
    prompt = replay.row["responses_create_params"]["input"][-1]["content"]
    first, second = map(int, re.findall(r"\d+", prompt))
    counts = {"initial_count": first + 2, "expected_count": 2 * first + second + 2}
    return dataclasses.replace(replay, row={**counts, **replay.row})


def script_from_output(record: Record, replay: Replay) -> Replay:
    """Restore the script: what the user says in the output, and the number in bold in the last reply."""
    items = record["output"]
    follow_ups = [item["content"] for item in items if item.get("role") == "user"]
    bold = re.search(r"\*\*(\d+)", items[-1]["content"][0]["text"])
    assert bold is not None
    row = {"follow_ups": follow_ups, "expected_answer": bold.group(1), **replay.row}
    return dataclasses.replace(replay, row=row)


CASES = [
    Case("gym_llm/ExampleMultiStep-v0", "example_multi_step", ("example_multi_step__example",)),
    Case("gym_llm/ExampleMultiTurn-v0", "example_multi_turn_gymnasium", prepare=script_from_output),
    Case("gym_llm/ExampleSessionState-v0", "example_session_state_mgmt", prepare=count_from_prompt),
    Case("gym_llm/ExampleSingleToolCall-v0", "example_single_tool_call"),
    Case(
        "gym_llm/ExampleToolCallMultiReward-v0",
        "example_tool_call_multireward",
        ("example_tool_call_multireward__example",),
        kwargs={"max_turns": 20},  # the loop of the recorded agent
    ),
]
