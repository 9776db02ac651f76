"""An environment that takes its process down, for the fault part of ``rollouts.py``."""

import os
from typing import Any

from gym_llm.envs.knowledge.mcqa import MCQAEnv
from gym_llm.registration import EnvInfo

CRASH = "[case os_exit]"
"""A prompt with this text ends the process at the first step, without a word."""


class CrashingMCQAEnv(MCQAEnv):
    """Multiple choice, but some tasks end the process that steps them.

    ## Version history
    - v0: first version.
    """

    def step(self, action: str) -> tuple[str, float, bool, bool, dict[str, Any]]:
        if CRASH in self.episode.task.row.messages[-1]["content"]:
            os._exit(3)
        return super().step(action)


ENVIRONMENTS = [
    EnvInfo(
        id="gym_llm_benchmarks/CrashingMCQA-v0",
        env="rollout_envs:CrashingMCQAEnv",
        domain="knowledge",
        kind="single turn",
        summary="Multiple choice that takes its process down",
        licence="Apache-2.0",
    )
]
