"""RecordRollout: one whole line for each finished episode."""

import json
from pathlib import Path

from gym_llm.wrappers import RecordRollout
from tests.support.envs import CounterEnv

ADD = '<tool_call>{"name": "add"}</tool_call>'


def test_finished_episodes_are_written_others_not(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "rollouts.jsonl"
    env = RecordRollout(CounterEnv.make(), str(path))
    env.reset(seed=1)
    env.step(ADD)
    env.reset(seed=2)
    env.step(ADD)
    env.step("done")
    (record,) = map(json.loads, path.read_text().splitlines())
    assert record["seed"] == 2
    assert record["rewards"] == [0.0, record["reward"]]
    assert [m["role"] for m in record["messages"]] == ["user", "assistant", "tool", "assistant"]
    assert record["verification"]["rewards"] == {"goal": 0.0, "close": 1 / 3}
    assert (record["terminated"], record["truncated"]) == (True, False)
