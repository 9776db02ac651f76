"""Reading a run into tables: a Hugging Face data set of everything, a pandas frame of the numbers.

`load` has the same columns for every run and loses nothing: `rollout_of` turns a row back into the
rollout that it came from. What differs in shape between environments is JSON text.

| columns | what they hold |
|---|---|
| ``env_id``, ``task_id``, ``task_index``, ``repeat`` | which rollout it is |
| ``seed_env``, ``seed_sampling``, ``seed_judge`` | its seeds |
| ``state``, ``reward``, ``step_rewards``, ``turns`` | as in the record |
| ``rewards``, ``verification``, ``tools`` | JSON text; the last two may be null |
| ``messages`` | list of structs, see `message_struct` |
| ``actions``, ``calls``, ``tokens`` | lists, as in the record |
| ``failure_kind``, ``failure_cause``, ``failure_message``, ``failure_traceback`` | null where none |
| ``started_at``, ``duration_s``, ``model_s``, ``env_s``, ``attempts`` | the timings |
"""

import json
import os
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from gym_llm.errors import DataError, GymLLMError
from gym_llm.messages import Message
from gym_llm.rollouts.records import CallRecord, FailureRecord, Rollout, Seeds, Timings, TokenSegment
from gym_llm.rollouts.run_folder import FAILURES, ROLLOUTS, RunFolder
from gym_llm.version import __version__

if TYPE_CHECKING:
    from datasets import Dataset, Features
    from pandas import DataFrame

RunPath = RunFolder | str | os.PathLike[str]
"""A run, or the path of its folder."""

LAYOUT = 1
"""Of the columns; part of the cache key, so that a table of an older layout is not found."""

_NOTHING = Rollout(
    env_id="", task_id="", task_index=0, repeat=0, seeds=Seeds(env=0, sampling=0, judge=0)
)
"""Has the columns of a frame without rows."""

_TEXTS = ("role", "content", "reasoning_content", "tool_call_id", "name")
_COUNTS = ("input_tokens", "output_tokens", "reasoning_tokens", "cached_tokens")
_TIMES = ("started_at", "duration_s", "model_s", "env_s", "attempts")


def load(run: RunPath, *, failures: bool = False) -> "Dataset":
    """Return the rollouts of a run, one row each, in order of completion.

    The table is made line by line in the cache of ``datasets`` and mapped into memory from there, so
    that a run need not fit into memory; as long as its files do not change, the table is made once.

    Args:
        run: the run, or its folder.
        failures: also the rollouts that failed, after all others.

    Raises:
        ConfigError: the folder holds no run.
        DataError: a line cannot be read, or holds a number beyond 64 bits.
    """
    from datasets import Dataset
    from datasets.exceptions import DatasetGenerationError

    folder = _folder(run)
    if next(_rollouts(folder, failures), None) is None:
        # A split of no rows cannot be read back from the cache.
        return Dataset.from_dict({name: [] for name in features()}, features=features())
    stamps = "|".join(
        _stamp(folder, name) for name in ((ROLLOUTS, FAILURES) if failures else (ROLLOUTS,))
    )
    try:
        return Dataset.from_generator(
            _rows,
            features=features(),
            # Rollouts can be large: few are held at a time.
            writer_batch_size=100,
            gen_kwargs={
                "path": str(folder.path.resolve()),
                "failures": failures,
                "stamps": f"{LAYOUT}|{__version__}|{stamps}",
            },
        )
    except DatasetGenerationError as error:
        cause = error.__cause__
        if isinstance(cause, GymLLMError):
            raise cause from None
        raise DataError(f"{folder.path} does not fit into a table: {cause}") from error


def to_pandas(run: RunPath, *, failures: bool = False) -> "DataFrame":
    """Return one row a rollout, with its numbers as columns, in order of completion.

    Columns: the identity, ``state``, ``reward``, ``rewards.NAME`` for each component, ``fields.NAME``
    for each number or truth value that the verifier reported, ``turns``, ``calls``, four token counts
    (sums over the calls), ``finish_reason`` of the last call, ``cost``, the timings, ``failure_kind``
    and ``failure_cause``. A component that a rollout does not have is NaN.

    Args:
        run: the run, or its folder.
        failures: also the rollouts that failed, after all others.

    Raises:
        ConfigError: the folder holds no run.
        RowError: a line cannot be read.
    """
    import pandas

    rows = [numbers(rollout) for rollout in _rollouts(_folder(run), failures)]
    columns = dict.fromkeys(name for row in (rows or [numbers(_NOTHING)]) for name in row)
    # A column of nothing but None would not be one of numbers.
    return pandas.DataFrame(rows, columns=list(columns)).astype({"cost": "float64"})


def numbers(rollout: Rollout) -> dict[str, Any]:
    """Return a rollout's row of `to_pandas`."""
    scalars = {k: v for k, v in rollout.fields.items() if isinstance(v, bool | int | float)}
    failure = rollout.failure
    return {
        "env_id": rollout.env_id,
        "task_id": rollout.task_id,
        "task_index": rollout.task_index,
        "repeat": rollout.repeat,
        "state": rollout.state,
        "reward": rollout.reward,
        **{f"rewards.{name}": value for name, value in rollout.rewards.items()},
        **{f"fields.{name}": value for name, value in scalars.items()},
        "turns": rollout.turns,
        "calls": len(rollout.calls),
        **{name: rollout.total(name) for name in _COUNTS},
        "finish_reason": rollout.calls[-1].finish_reason if rollout.calls else None,
        "cost": rollout.cost,
        **{name: getattr(rollout.timings, name) for name in _TIMES},
        "failure_kind": failure.kind if failure else None,
        "failure_cause": failure.cause if failure else None,
    }


def features() -> "Features":
    """Return the columns of `load` and their types."""
    from datasets import Features, Value

    text, whole, real = Value("string"), Value("int64"), Value("float64")
    function = {"name": text, "arguments": text}
    message = {
        **dict.fromkeys(_TEXTS, text),
        "tool_calls": [{"id": text, "type": text, "function": function}],
        "extra": text,
    }
    call = {
        **dict.fromkeys(_COUNTS, whole),
        "finish_reason": text,
        "model": text,
        "is_cached": Value("bool"),
        "cost": real,
    }
    return Features(
        {
            "env_id": text,
            "task_id": text,
            "task_index": whole,
            "repeat": whole,
            "seed_env": whole,
            "seed_sampling": whole,
            "seed_judge": whole,
            "state": text,
            "reward": real,
            "step_rewards": [real],
            "turns": whole,
            "rewards": text,
            "verification": text,
            "tools": text,
            "messages": [message],
            "actions": [text],
            "calls": [call],
            "tokens": [{"token_ids": [whole], "loss_mask": [whole], "logprobs": [real]}],
            "failure_kind": text,
            "failure_cause": text,
            "failure_message": text,
            "failure_traceback": text,
            **{name: whole if name == "attempts" else real for name in _TIMES},
        }
    )


def row_of(rollout: Rollout) -> dict[str, Any]:
    """Return a rollout's row of `load`."""
    failure = rollout.failure
    tokens = rollout.tokens
    return {
        "env_id": rollout.env_id,
        "task_id": rollout.task_id,
        "task_index": rollout.task_index,
        "repeat": rollout.repeat,
        "seed_env": rollout.seeds.env,
        "seed_sampling": rollout.seeds.sampling,
        "seed_judge": rollout.seeds.judge,
        "state": rollout.state,
        "reward": rollout.reward,
        "step_rewards": rollout.step_rewards,
        "turns": rollout.turns,
        "rewards": _json(rollout.rewards),
        "verification": None if rollout.verification is None else _json(rollout.verification),
        "tools": None if rollout.tools is None else _json(rollout.tools),
        "messages": [message_struct(message) for message in rollout.messages],
        "actions": rollout.actions,
        "calls": [call.model_dump() for call in rollout.calls],
        "tokens": None if tokens is None else [segment.model_dump() for segment in tokens],
        **{f"failure_{name}": getattr(failure, name, None) for name in FailureRecord.model_fields},
        **{name: getattr(rollout.timings, name) for name in _TIMES},
    }


def rollout_of(row: Mapping[str, Any]) -> Rollout:
    """Return the rollout that a row of `load` came from."""
    prefix = "failure_"
    failure = {name: row[prefix + name] for name in FailureRecord.model_fields}
    tokens = row["tokens"]
    return Rollout(
        env_id=row["env_id"],
        task_id=row["task_id"],
        task_index=row["task_index"],
        repeat=row["repeat"],
        seeds=Seeds(env=row["seed_env"], sampling=row["seed_sampling"], judge=row["seed_judge"]),
        state=row["state"],
        reward=row["reward"],
        step_rewards=row["step_rewards"],
        turns=row["turns"],
        rewards=json.loads(row["rewards"]),
        verification=None if row["verification"] is None else json.loads(row["verification"]),
        tools=None if row["tools"] is None else json.loads(row["tools"]),
        messages=[message_of(struct) for struct in row["messages"]],
        actions=row["actions"],
        calls=[CallRecord(**call) for call in row["calls"]],
        tokens=None if tokens is None else [TokenSegment(**segment) for segment in tokens],
        failure=None if failure["kind"] is None else FailureRecord(**failure),
        timings=Timings(**{name: row[name] for name in _TIMES}),
    )


def message_struct(message: Message) -> dict[str, Any]:
    """Return a chat message as a struct whose fields have one type each.

    ``role``, ``content``, ``reasoning_content``, ``tool_call_id`` and ``name`` are text, ``tool_calls``
    a list of ``{id, type, function: {name, arguments}}``; null where the message has no such key.
    ``extra`` is the JSON text of all that does not fit: other keys, explicit nulls, and content that is
    a list of parts (images), of which ``content`` is null.
    """
    texts = {name: v for name in _TEXTS if isinstance(v := message.get(name), str)}
    calls = message.get("tool_calls")
    fitting = {**texts, "tool_calls": calls} if _are_calls(calls) else texts
    extra = {name: value for name, value in message.items() if name not in fitting}
    nothing: dict[str, Any] = dict.fromkeys((*_TEXTS, "tool_calls"))
    return {**nothing, **fitting, "extra": _json(extra) if extra else None}


def message_of(struct: Mapping[str, Any]) -> Message:
    """Return the chat message that `message_struct` was given; only the order of its keys may differ."""
    message = {name: v for name, v in struct.items() if name != "extra" and v is not None}
    return {**message, **json.loads(struct["extra"] or "{}")}


def _are_calls(value: Any) -> bool:
    return isinstance(value, list) and all(
        isinstance(call, dict)
        and call.keys() == {"id", "type", "function"}
        and isinstance(call["function"], dict)
        and call["function"].keys() == {"name", "arguments"}
        and all(isinstance(v, str) for v in (call["id"], call["type"], *call["function"].values()))
        for call in value
    )


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _folder(run: RunPath) -> RunFolder:
    return run if isinstance(run, RunFolder) else RunFolder(run)


def _stamp(folder: RunFolder, name: str) -> str:
    path = folder.path / name
    if not path.is_file():
        return ""
    stat = path.stat()
    return f"{stat.st_size}-{stat.st_mtime_ns}"


def _rollouts(folder: RunFolder, failures: bool) -> Iterator[Rollout]:
    yield from folder.rollouts()
    if failures:
        yield from folder.failures()


def _rows(path: str, failures: bool, stamps: str) -> Iterator[dict[str, Any]]:
    """Yield the rows; ``stamps`` only tells the cache when the files have changed."""
    del stamps
    return map(row_of, _rollouts(RunFolder(path), failures))
