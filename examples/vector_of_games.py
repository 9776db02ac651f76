"""Steps four hands of blackjack at once and prints their rewards."""

import gymnasium

import gym_llm  # noqa: F401 - registers the ids

envs = gymnasium.make_vec("gym_llm/Blackjack-v0", num_envs=4)
observations, infos = envs.reset(seed=0)
print(observations[0])
observations, rewards, terminations, truncations, infos = envs.step(["<action>stand</action>"] * 4)
print(rewards)
envs.close()
