"""SessionState: look at, restore, fork and compare the state of an episode."""

import copy
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, is_dataclass
from typing import Any

import gymnasium
from gymnasium.utils import RecordConstructorArgs

from gym_llm.core.text_env import core_of
from gym_llm.verification import Episode


@dataclass(frozen=True)
class SessionSnapshot:
    """Everything that an episode's future depends on; it pickles."""

    episode: Episode
    rng_state: Mapping[str, Any]
    ended: bool


class SessionState(gymnasium.Wrapper[str, str, str, str], RecordConstructorArgs):
    """Give access to the episode's state in one place: branch, go back, see what changed."""

    def __init__(self, env: gymnasium.Env[str, str]) -> None:
        RecordConstructorArgs.__init__(self)
        gymnasium.Wrapper.__init__(self, env)
        self._core = core_of(env, "SessionState")

    def get_state(self) -> SessionSnapshot:
        """Return a copy of the state, which later steps do not change; ResetNeeded before a reset."""
        return copy.deepcopy(
            SessionSnapshot(
                self._core.episode, self._core.np_random.bit_generator.state, self._core.ended
            )
        )

    def set_state(self, state: SessionSnapshot) -> None:
        """Go on from a state of this or another environment of the same id."""
        fresh = copy.deepcopy(state)
        self._core.episode = fresh.episode
        self._core.np_random.bit_generator.state = fresh.rng_state
        self._core.ended = fresh.ended

    def fork(self) -> "SessionState":
        """Return an independent copy of the environment in its present state."""
        return copy.deepcopy(self)

    def diff(
        self, before: SessionSnapshot, after: SessionSnapshot | None = None
    ) -> list[tuple[str, Any, Any]]:
        """Return what differs between two states (by default: then and now).

        Returns:
            ``(path, then, now)`` for every leaf of the environment's state that differs, with None for
            "absent", and one entry ``turn`` when turns were taken.
        """
        later = self.get_state() if after is None else after
        turns = before.episode.turn, later.episode.turn
        changed = [] if turns[0] == turns[1] else [("turn", *turns)]
        return [*changed, *_differences("state", before.episode.state, later.episode.state)]


def _differences(path: str, before: Any, after: Any) -> Iterator[tuple[str, Any, Any]]:
    before, after = _plain(before), _plain(after)
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for key in [*before, *(key for key in after if key not in before)]:
            yield from _differences(f"{path}.{key}", before.get(key), after.get(key))
    elif isinstance(before, list) and isinstance(after, list):
        for i in range(max(len(before), len(after))):
            yield from _differences(
                f"{path}[{i}]", *(x[i] if i < len(x) else None for x in (before, after))
            )
    elif repr(before) != repr(after):
        yield path, before, after


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return list(value)
    return value
