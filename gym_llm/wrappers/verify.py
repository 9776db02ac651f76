"""Verify: grade an episode and pay the grade as its reward."""

import dataclasses
import importlib
import itertools
import logging
from typing import Any, Literal

import gymnasium
from gymnasium.utils import RecordConstructorArgs

from gym_llm.core.text_env import core_of, verification_info
from gym_llm.errors import ConfigError, VerifierError
from gym_llm.verification import Failure, Verification, Verifier, judge_seeds

logger = logging.getLogger(__name__)


class Verify(gymnasium.Wrapper[str, str, str, str], RecordConstructorArgs):
    """Grade the episode with a verifier; any verifier can be put on any environment.

    Sets the reward, ``info["rewards"]`` and ``info["verification"]``.

    Args:
        env: the environment, with a `gym_llm.core.TextEnv` at its core.
        verifier: a verifier, or ``"module:Class"`` to be built from ``config``.
        config: fields of the verifier, when it is given by name.
        when: ``"end"`` grades when the episode terminates or is truncated; ``"step"`` after every turn.
        on_failure: a grader that cannot work (judge down, worker dead) gives reward 0.0 and
            ``verification.failure`` with ``"mask"``, and raises with ``"raise"``.
    """

    def __init__(
        self,
        env: gymnasium.Env[str, str],
        verifier: Verifier | str,
        config: dict[str, Any] | None = None,
        when: Literal["end", "step"] = "end",
        on_failure: Literal["mask", "raise"] = "mask",
    ) -> None:
        if when not in ("end", "step"):
            raise ConfigError(f"when must be 'end' or 'step', got {when!r}")
        if on_failure not in ("mask", "raise"):
            raise ConfigError(f"on_failure must be 'mask' or 'raise', got {on_failure!r}")
        self.verifier = _build(verifier, config or {}) if isinstance(verifier, str) else verifier
        name, fields = _describe(self.verifier)
        RecordConstructorArgs.__init__(
            self, verifier=name, config=fields, when=when, on_failure=on_failure
        )
        gymnasium.Wrapper.__init__(self, env)
        self._core = core_of(env, "Verify")
        self.when = when
        self.on_failure = on_failure

    @property
    def reward_names(self) -> tuple[str, ...]:
        """Names of the reward components, in order."""
        return self.verifier.components

    def step(self, action: str) -> tuple[str, float, bool, bool, dict[str, Any]]:
        """Step, and grade when it is time to."""
        observation, reward, terminated, truncated, info = self.env.step(action)
        if not (terminated or truncated or self.when == "step"):
            return observation, float(reward), terminated, truncated, info
        verification = self.grade()
        info.update(verification_info(verification))
        return observation, verification.reward, terminated, truncated, info

    def grade(self) -> Verification:
        """Grade the episode as it stands."""
        episode = self._core.episode
        if episode.judge_seed is not None:
            # Apart for every turn, and for the questions of one turn.
            judge_seeds.set(itertools.count((episode.judge_seed + 1000 * episode.turn) % 2**31))
        try:
            return self.verifier(episode.task, episode)
        except VerifierError as error:
            if self.on_failure == "raise":
                raise
            logger.debug("task %s not graded: %s", episode.task.id, error)
            zeros = dict.fromkeys(self.reward_names, 0.0)
            return Verification(0.0, zeros, failure=Failure(type(error).__name__, str(error)))


def _build(path: str, config: dict[str, Any]) -> Verifier:
    module, _, name = path.partition(":")
    try:
        verifier: Verifier = getattr(importlib.import_module(module), name)(**config)
    except (ImportError, AttributeError, TypeError) as error:
        raise ConfigError(f"verifier {path!r} cannot be built from {config!r}: {error}") from error
    return verifier


def _describe(verifier: Any) -> tuple[Any, dict[str, Any] | None]:
    """Return what rebuilds the verifier: its path and its fields, where it is a dataclass."""
    if not dataclasses.is_dataclass(verifier) or isinstance(verifier, type):
        return verifier, None
    kind = type(verifier)
    return f"{kind.__module__}:{kind.__qualname__}", dataclasses.asdict(verifier)
