"""Grades an environment of the library with a verifier of one's own; prints its reward."""

from dataclasses import dataclass

import gymnasium

import gym_llm  # noqa: F401 - registers the ids
from gym_llm.tasks import Task
from gym_llm.verification import Episode, Verification
from gym_llm.wrappers import Verify


@dataclass(frozen=True)
class Short:
    """1.0 for at most ``limit`` characters."""

    limit: int = 200
    components = ("short",)

    def __call__(self, task: Task, episode: Episode) -> Verification:
        """Look at the length of the answer alone."""
        return Verification.of("short", len(episode.text()) <= self.limit)


env = Verify(gymnasium.make("gym_llm/MCQA-v0").unwrapped, Short(80))
env.reset(seed=0)
print(env.step("A long story ... " * 20)[1], env.unwrapped.episode.task.id)
