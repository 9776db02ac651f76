"""Chat JSONL for supervised fine-tuning: the best rollouts of a run."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from gym_llm.exports.files import LineReader, with_offsets, write_lines
from gym_llm.exports.training import training_messages
from gym_llm.rollouts.records import Rollout
from gym_llm.rollouts.run_folder import ROLLOUTS, RunFolder


class _Candidate(NamedTuple):
    """Sorts from the best on: highest reward, fewest tokens, first repeat."""

    loss: float
    output_tokens: int
    repeat: int
    offset: int


def write_sft(
    run: RunFolder,
    path: Path,
    *,
    min_reward: float | None = None,
    best: int | None = 1,
    with_reasoning: bool = True,
) -> int:
    """Write ``{"messages": [...], "tools": [...]}`` for the best rollouts and return their number.

    The lines are in order of environment, task and rank. Conversations end with their last assistant
    turn; ``tools`` is there where the rollout had any. Failures are never written.

    Args:
        run: the run.
        path: the JSONL file to make.
        min_reward: lowest reward; by default a rollout must have earned more than 0.
        best: at most so many of each task, those with equal rewards by fewer output tokens, then by
            repeat; None for all.
        with_reasoning: keep the model's reasoning in ``reasoning_content``.

    Raises:
        ConfigError: ``path`` exists.
        RowError: a line of the run cannot be read.
    """
    return write_lines(path, _examples(run, min_reward, best, with_reasoning))


def _examples(
    run: RunFolder, min_reward: float | None, best: int | None, with_reasoning: bool
) -> Iterator[dict[str, Any]]:
    candidates: dict[tuple[str, int], list[_Candidate]] = {}
    source = run.path / ROLLOUTS
    for offset, rollout in with_offsets(source, run.rollouts()):
        if _earns_enough(rollout, min_reward) and training_messages(rollout.messages):
            tokens = rollout.total("output_tokens")
            found = _Candidate(-rollout.reward, tokens, rollout.repeat, offset)
            candidates.setdefault((rollout.env_id, rollout.task_index), []).append(found)
    with LineReader(source, Rollout) as reader:
        for task in sorted(candidates):
            for candidate in sorted(candidates[task])[:best]:
                yield _example(reader.at(candidate.offset), with_reasoning)


def _earns_enough(rollout: Rollout, min_reward: float | None) -> bool:
    return rollout.reward > 0 if min_reward is None else rollout.reward >= min_reward


def _example(rollout: Rollout, with_reasoning: bool) -> dict[str, Any]:
    messages = training_messages(rollout.messages, with_reasoning=with_reasoning)
    return {"messages": messages, **({"tools": rollout.tools} if rollout.tools else {})}
