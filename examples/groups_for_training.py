"""Collect eight rollouts of each task and turn every group into advantages, as GRPO does."""

import asyncio

import numpy as np

from gym_llm.agents.factory import agent_factory
from gym_llm.rollouts import EnvSetup, Limits, Rollout, collect
from gym_llm.rollouts.plan import plan


def show(group: list[Rollout]) -> None:
    """Print the advantages of the rollouts of one task, as soon as the last of them has ended."""
    rewards = np.array([r.reward for r in group if r.counts])
    advantages = (rewards - rewards.mean()) / (rewards.std() + 1e-6)
    print(group[0].task_id, np.round(advantages, 2))


jobs = plan({"gym_llm/MCQA-v0": 5}, repeats=8, seed=0)
setup = EnvSetup("gym_llm/MCQA-v0")
asyncio.run(collect([setup], jobs, agent_factory("random"), Limits(concurrency=16), on_group=show))
