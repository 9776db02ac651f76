"""Preference pairs in TRL's conversational form, for DPO and reward models."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from gym_llm.exports.files import LineReader, with_offsets, write_lines
from gym_llm.exports.training import prompt_length, training_messages
from gym_llm.rollouts.records import Rollout
from gym_llm.rollouts.run_folder import ROLLOUTS, RunFolder

_ROUNDING = 1e-9
"""0.7 and 0.4 differ by 0.3, though not as floating-point numbers."""


class _Candidate(NamedTuple):
    reward: float
    repeat: int
    offset: int


class _Pair(NamedTuple):
    chosen: _Candidate
    rejected: _Candidate

    @property
    def margin(self) -> float:
        return self.chosen.reward - self.rejected.reward


def write_preferences(
    run: RunFolder,
    path: Path,
    *,
    margin: float = 0.0,
    pairs: int = 1,
    with_reasoning: bool = True,
) -> int:
    """Write ``{"prompt": [...], "chosen": [...], "rejected": [...]}`` and return the number of pairs.

    Both rollouts of a pair are of one task and share the messages before the first assistant turn, which
    are the prompt; the rest, up to the last assistant turn, is the answer. ``tools`` is added where the
    rollouts had any. The best is paired with the worst, the second best with the second worst, and so
    on, so that no rollout is in two pairs. Between equal rewards the repeat decides, and not the length:
    otherwise the pairs would teach it. The lines are in order of environment and task.

    Args:
        run: the run.
        path: the JSONL file to make.
        margin: rewards of a pair differ by at least this, and always by more than 0.
        pairs: at most so many of each task, those with the largest margin.
        with_reasoning: keep the model's reasoning in ``reasoning_content``.

    Raises:
        ConfigError: ``path`` exists.
        RowError: a line of the run cannot be read.
    """
    return write_lines(path, _examples(run, margin, pairs, with_reasoning))


def _examples(
    run: RunFolder, margin: float, pairs: int, with_reasoning: bool
) -> Iterator[dict[str, Any]]:
    tasks: dict[tuple[str, int], dict[bytes, list[_Candidate]]] = {}
    source = run.path / ROLLOUTS
    for offset, rollout in with_offsets(source, run.rollouts()):
        if training_messages(rollout.messages):
            found = _Candidate(rollout.reward, rollout.repeat, offset)
            prompts = tasks.setdefault((rollout.env_id, rollout.task_index), {})
            prompts.setdefault(_prompt_digest(rollout), []).append(found)
    with LineReader(source, Rollout) as reader:
        for task in sorted(tasks):
            found_pairs = [pair for group in tasks[task].values() for pair in _paired(group, margin)]
            found_pairs.sort(key=lambda pair: (-pair.margin, pair.chosen.repeat, pair.rejected.repeat))
            for pair in found_pairs[:pairs]:
                chosen, rejected = reader.at(pair.chosen.offset), reader.at(pair.rejected.offset)
                yield _example(chosen, rejected, with_reasoning)


def _prompt_digest(rollout: Rollout) -> bytes:
    shared = [rollout.messages[: prompt_length(rollout.messages)], rollout.tools]
    return hashlib.sha256(json.dumps(shared, sort_keys=True).encode()).digest()[:16]


def _paired(group: Sequence[_Candidate], margin: float) -> Iterator[_Pair]:
    from_best = sorted(group, key=lambda c: (-c.reward, c.repeat))
    from_worst = sorted(group, key=lambda c: (c.reward, c.repeat))
    for pair in map(_Pair, from_best, from_worst):
        # The margins only shrink from here on, so no rollout is both chosen and rejected.
        if not (pair.margin > 0 and pair.margin >= margin - _ROUNDING):
            return
        yield pair


def _example(chosen: Rollout, rejected: Rollout, with_reasoning: bool) -> dict[str, Any]:
    a, b = (training_messages(r.messages, with_reasoning=with_reasoning) for r in (chosen, rejected))
    length = prompt_length(a)
    tools = {"tools": chosen.tools} if chosen.tools else {}
    return {"prompt": a[:length], "chosen": a[length:], "rejected": b[length:], **tools}
