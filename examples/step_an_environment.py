"""Plays one multiple-choice question by hand and prints the reward and why."""

import gymnasium

import gym_llm  # noqa: F401 - registers the ids

env = gymnasium.make("gym_llm/MCQA-v0")
observation, info = env.reset(seed=0, options={"task": 6})
print(observation)
observation, reward, terminated, truncated, info = env.step(r"It melts at -39 degrees. \boxed{C}")
print(reward, info["verification"].fields)
