"""Replays rollouts that NeMo Gym recorded against our environments and compares the rewards.

A `cases_*.py` module beside this one lists `Case`s for its environments. The recorded output (items of
the Responses API) is cut into assistant turns, each turn becomes an action, and the environment grades
the episode.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import gymnasium

import gym_llm
from gym_llm.messages import chat_from_items, message_from_chat

SHARED = Path(__file__).parents[2].parent / "shared"
PEER_DATA = SHARED / "peer_data"

Record = dict[str, Any]


@dataclass(frozen=True)
class Replay:
    """What one record is replayed with."""

    row: Mapping[str, Any]
    actions: list[str]
    expected: float
    kwargs: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Case:
    """One file of recorded rollouts and the id that replays it."""

    env_id: str
    rollouts: str
    """Stem of a file in peer_rollouts."""
    rows: tuple[str, ...] = ()
    """Stems of files in peer_rows that complete rows whose verifier fields were not recorded."""
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    prepare: Callable[[Record, Replay], Replay] | None = None
    """Changes a record's replay where row, actions or expectation need it."""
    differs: Mapping[int, str] = field(default_factory=dict)
    """Record number to the reason why our reward is different on purpose."""


def read_jsonl(path: Path) -> list[Any]:
    """Return the objects of a JSONL file."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]


def assistant_turns(output: list[Any]) -> Iterator[str]:
    """Yield the recorded assistant turns as actions."""
    for message in chat_from_items(output):
        if message["role"] == "assistant":
            turn = message_from_chat(message)
            assert turn is not None
            yield gym_llm.encode_action(
                turn.content, turn.tool_calls, turn.reasoning, turn.finish_reason
            )


def _complete(row: Mapping[str, Any], peer_rows: list[Any]) -> dict[str, Any]:
    """Add the fields of the peer row whose prompt the recorded row's prompt starts with."""
    prompt = [_core(item) for item in _items(row)]
    for peer in peer_rows:
        other = [_core(item) for item in _items(peer)]
        if prompt[: len(other)] == other:
            return {**peer, **row}
    return dict(row)


def _items(row: Mapping[str, Any]) -> list[Any]:
    items = row["responses_create_params"]["input"]
    return [{"role": "user", "content": items}] if isinstance(items, str) else items


def _core(item: Mapping[str, Any]) -> tuple[Any, Any]:
    return item.get("role"), item.get("content")


def replays(case: Case) -> list[Replay]:
    """Return the replay of every record of a case."""
    peer_rows = [row for stem in case.rows for row in read_jsonl(SHARED / "peer_rows" / f"{stem}.jsonl")]
    found = []
    for record in read_jsonl(SHARED / "peer_rollouts" / f"{case.rollouts}.jsonl"):
        row = _complete(record["row"], peer_rows)
        replay = Replay(
            row, list(assistant_turns(record["output"])), float(record["reward"]), case.kwargs
        )
        found.append(case.prepare(record, replay) if case.prepare else replay)
    return found


def run(env_id: str, replay: Replay) -> float:
    """Return the return of our environment for the recorded actions."""
    env = gymnasium.make(env_id, tasks=[dict(replay.row)], disable_env_checker=True, **replay.kwargs)
    env.reset(seed=0, options={"task": 0})
    total, ended = 0.0, False
    for action in replay.actions or [""]:
        _, reward, terminated, truncated, _ = env.step(action)
        total += float(reward)
        ended = terminated or truncated
        if ended:
            break
    assert ended, "the recorded episode is over, ours is not"
    env.close()
    return total
