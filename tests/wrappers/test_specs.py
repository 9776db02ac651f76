"""A stack of wrappers survives the JSON form of its spec."""

from pathlib import Path

import gymnasium
from gymnasium.envs.registration import EnvSpec

from gym_llm.wrappers import (
    MultiReward,
    RecordRollout,
    SessionState,
    StripReasoning,
    ToolFormat,
    TurnLimit,
)


def test_stack_round_trips_through_json(tmp_path: Path) -> None:
    env = MultiReward(gymnasium.make("gym_llm/MCQA-v0"), {"correct": 2.0}, "weighted")
    env = RecordRollout(env, str(tmp_path / "r.jsonl"))
    env = SessionState(TurnLimit(ToolFormat(StripReasoning(env, "tail"), "hermes"), 3))
    assert env.spec is not None
    again = gymnasium.make(EnvSpec.from_json(env.spec.to_json()))
    assert str(again) == str(env)
    again.reset(seed=0, options={"task": 0})
    assert again.step(r"\boxed{B}")[1] == 2.0
