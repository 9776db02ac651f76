"""Calls tools inside actions, and branches the episode in the middle; prints both returns."""

import gymnasium

from gym_llm import ToolCall, encode_action
from gym_llm.wrappers import SessionState

env = SessionState(gymnasium.make("gym_llm/ExampleSessionState-v0"))
observation, info = env.reset(seed=0, options={"task": 0})
print(observation)
before = env.get_state()
env.step(encode_action("", [ToolCall("increment_counter", '{"count": 1}')]))
print(env.diff(before))
branch = env.fork()
branch.step(encode_action("", [ToolCall("increment_counter", '{"count": 100}')]))
print("here:", env.step("Done.")[1], "in the branch:", branch.step("Done.")[1])
