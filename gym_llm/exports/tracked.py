"""What trackers are told of a run: configuration, metrics as plain numbers, a table of rollouts."""

import itertools
from typing import Any

from gym_llm.exports.training import prompt_length
from gym_llm.messages import message_text
from gym_llm.rollouts.loading import numbers
from gym_llm.rollouts.records import Rollout
from gym_llm.rollouts.run_folder import RunFolder

MAX_ROWS = 1000
"""Rollouts in a table, unless more or fewer are asked for."""

MAX_CHARS = 2000
"""Of each text in a table."""

_NOT_HEADLINES = ("complete", "repeat_means", "subsets")


def config_of(run: RunFolder) -> dict[str, Any]:
    """Return the manifest as ``name: value``, parts of it as ``model.NAME`` and ``ENV_ID.NAME``."""
    manifest = run.manifest.model_dump(mode="json")
    model, environments = manifest.pop("model") or {}, manifest.pop("environments")
    config = {**manifest, "environments": list(environments)}
    config |= {f"model.{name}": value for name, value in model.items()}
    for env_id, env in environments.items():
        config |= {f"{env_id}.{name}": value for name, value in env.items()}
    return config


def metrics_of(run: RunFolder) -> dict[str, float]:
    """Return the metrics of ``metrics.json`` as ``environment/metric: number``; empty without the file.

    An estimate becomes its value, with ``_low`` and ``_high`` for the ends of its interval. Subsets and
    metrics over complete tasks alone are left out: those are in the file.
    """
    found: dict[str, float] = {}
    for env_id, metrics in run.metrics().get("environments", {}).items():
        for group, value in metrics.items():
            if group not in _NOT_HEADLINES:
                _flatten(env_id if group in ("metrics", "own") else f"{env_id}/{group}", value, found)
    return found


def _flatten(name: str, value: Any, found: dict[str, float]) -> None:
    if isinstance(value, dict) and "value" in value:
        ends = {f"{name}_{end}": value.get(end) for end in ("low", "high")}
        value, inner = value["value"], ends
    else:
        inner = {f"{name}/{key}": v for key, v in value.items()} if isinstance(value, dict) else {}
    if isinstance(value, int | float) and not isinstance(value, bool):
        found[name] = float(value)
    for key, v in inner.items():
        _flatten(key, v, found)


def table_of(run: RunFolder, rows: int = MAX_ROWS) -> tuple[list[str], list[list[Any]]]:
    """Return columns and rows of the first rollouts to finish, then of failures while there is room.

    The numbers are those of `gym_llm.rollouts.to_pandas`; ``prompt`` and ``response`` are the last
    message before and the last of the assistant's turns, cut at 2,000 characters.
    """
    rollouts = itertools.islice(itertools.chain(run.rollouts(), run.failures()), rows)
    records = [{**numbers(r), **_texts(r)} for r in rollouts]
    columns = list(dict.fromkeys(name for record in records for name in record))
    return columns, [[record.get(name) for name in columns] for record in records]


def _texts(rollout: Rollout) -> dict[str, str]:
    length = prompt_length(rollout.messages)
    prompt = rollout.messages[:length][-1:]
    turns = [m for m in rollout.messages[length:] if m.get("role") == "assistant"][-1:]
    return {"prompt": _shown(prompt), "response": _shown(turns)}


def _shown(messages: list[dict[str, Any]]) -> str:
    return "".join(message_text(message)[:MAX_CHARS] for message in messages)
