"""Rescoring: what the stored actions of a run earn now, in fresh environments with the same seeds."""

import asyncio
import dataclasses
import itertools
import math
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gym_llm.core import TextEnv
from gym_llm.errors import ConfigError, DataError
from gym_llm.messages import Message
from gym_llm.registration import table
from gym_llm.rollouts.actions import actions_of
from gym_llm.rollouts.metrics import summarise
from gym_llm.rollouts.plan import plan
from gym_llm.rollouts.play import Player
from gym_llm.rollouts.pool import EnvPool, EnvSetup, LentEnv
from gym_llm.rollouts.records import Job, Rollout, TaskRecord
from gym_llm.rollouts.run_folder import RunFolder, RunWriter, encoded, task_record, versions

GRADING_FAILURES = ("verifier_error", "judge_error")
"""Failures after the last action: these episodes can be graded now."""
WAITING_AT_ONCE = 16
"""Episodes in flight where steps wait for something else than this process."""


@dataclass(frozen=True)
class Place:
    """Which rollout it is."""

    env_id: str
    task_id: str
    task_index: int
    repeat: int

    @classmethod
    def of(cls, rollout: Rollout) -> "Place":
        """Return the place of a rollout."""
        return cls(rollout.env_id, rollout.task_id, rollout.task_index, rollout.repeat)


@dataclass(frozen=True)
class Change:
    """A reward that is not what the run says."""

    place: Place
    component: str | None
    """Name of the reward component; None for the return."""
    old: float | None
    """None where the run has no such reward, as the rollout could not be graded."""
    new: float | None
    """None where the component is no longer there."""


@dataclass(frozen=True)
class Divergence:
    """An episode that goes another way with the same actions and seed."""

    place: Place
    what: str


@dataclass(frozen=True)
class ReplayFailure:
    """An episode that could not be replayed or graded."""

    place: Place
    kind: str
    message: str


@dataclass
class Rescored:
    """What came of rescoring a run."""

    graded: int = 0
    """Rollouts that were replayed, with or without success."""
    changes: list[Change] = field(default_factory=list)
    divergences: list[Divergence] = field(default_factory=list)
    failures: list[ReplayFailure] = field(default_factory=list)
    left_out: dict[str, int] = field(default_factory=dict)
    """Rollouts of environments that a judge grades, which is not asked again unless that is wanted."""
    kept_failures: int = 0
    """Rollouts that broke off in the run: there is nothing to grade."""
    rollouts: list[Rollout] = field(default_factory=list)
    """The new records, in the order of environment, task and repeat; old ones where nothing was done."""

    @property
    def is_same(self) -> bool:
        """Whether all that was replayed is as the run says."""
        return not (self.changes or self.divergences or self.failures)

    def to_dict(self) -> dict[str, Any]:
        """Return plain data, without the rollouts."""
        return {
            "graded": self.graded,
            "left_out": self.left_out,
            "kept_failures": self.kept_failures,
            **{
                name: [_flat(entry) for entry in getattr(self, name)]
                for name in ("changes", "divergences", "failures")
            },
        }


def _flat(entry: Change | Divergence | ReplayFailure) -> dict[str, Any]:
    found = dataclasses.asdict(entry)
    return {**found.pop("place"), **found}


async def rescore(
    run: RunFolder,
    *,
    with_judge: bool = False,
    workers: int = 0,
    step_timeout_s: float | None = None,
    on_progress: Callable[[int], None] | None = None,
) -> Rescored:
    """Play the stored actions of every rollout again and compare what they earn.

    Each episode is reset with its stored seed and task, so that environments with state come to the same
    place. A task whose row is not the same in the data set now is played from the row that the run
    keeps. Rollouts that could not be graded in the run are graded now; others that failed are left.

    Args:
        run: the run; nothing in it is changed.
        with_judge: also rescore environments that ask a judge.
        workers: worker processes; with 0 the environments step in this process, where a step that
            hangs cannot be ended.
        step_timeout_s: seconds that a reset or a step may take; needs workers.
        on_progress: called with the number of rollouts that are done.

    Raises:
        ConfigError, EnvFailedError: an environment of the run cannot be made.
    """
    result = Rescored()
    records = {(t.env_id, t.task_index): t for t in run.tasks()}
    environments = run.manifest.environments
    done = itertools.count(1)

    def note(old: Rollout, new: Rollout) -> None:
        result.graded += 1
        _compare(result, old, new)
        news[old.key] = new
        if on_progress:
            on_progress(next(done))

    everything = list(run.everything())
    news = {rollout.key: rollout for rollout in everything}
    for env_id, group in itertools.groupby(everything, key=lambda r: r.env_id):
        rollouts = list(group)
        olds = [r for r in rollouts if can_be_graded(r)]
        result.kept_failures += len(rollouts) - len(olds)
        kwargs = environments[env_id].kwargs if env_id in environments else {}
        if not with_judge and uses_judge(env_id, kwargs):
            result.left_out[env_id] = len(olds)
        elif olds:
            setup = EnvSetup(env_id, kwargs, workers, None if workers == 0 else 0, step_timeout_s)
            await _replay_all(setup, olds, records, note)
    result.rollouts = [news[rollout.key] for rollout in everything]
    for entries in (result.changes, result.divergences, result.failures):
        # Several are in flight: without this their order would change from time to time.
        entries.sort(key=lambda entry: (entry.place.env_id, entry.place.task_index, entry.place.repeat))
    return result


def can_be_graded(rollout: Rollout) -> bool:
    """Return whether the record holds a whole episode."""
    return rollout.counts or (rollout.failure is not None and rollout.failure.kind in GRADING_FAILURES)


def uses_judge(env_id: str, kwargs: Mapping[str, Any]) -> bool:
    """Return whether an environment asks a judge: by its table entry, or by an argument that says so."""
    info = table.get(env_id)
    asks = any(v for k, v in kwargs.items() if k == "judge" or k.endswith("_judge"))
    return asks or (info is not None and "judge" in info.needs)


async def _replay_all(
    setup: EnvSetup,
    olds: Sequence[Rollout],
    records: Mapping[tuple[str, int], TaskRecord],
    note: Callable[[Rollout, Rollout], None],
) -> None:
    own = {index: t for (env_id, index), t in records.items() if env_id == setup.env_id}
    setup, rows = _rows_to_give(setup, own)
    info = table.get(setup.env_id)
    waits = info is not None and info.step_cost == "waits"
    size = min(len(olds), setup.workers or (WAITING_AT_ONCE if waits else 1))
    pool = EnvPool(setup, size)
    queue = iter(olds)

    async def work() -> None:
        for old in queue:
            note(old, await _replay(pool, old, rows.get(old.task_index)))
            # Steps in this process hold the loop: an interruption gets its turn here.
            await asyncio.sleep(0)

    try:
        await asyncio.gather(*(work() for _ in range(size)))
    finally:
        pool.close()


def _rows_to_give(
    setup: EnvSetup, records: Mapping[int, TaskRecord]
) -> tuple[EnvSetup, dict[int, dict[str, Any]]]:
    """Return a setup that can be made, and the rows of tasks that its data set has no longer.

    The environment is made once here, so that an argument that cannot work is found at the beginning.
    """
    rows = {index: {"task_id": t.task_id, **t.row} for index, t in records.items()}
    try:
        env = setup.make()
    except DataError:
        if not rows:
            raise
        # The data set is gone or out of reach: the run has all that is needed of it.
        kwargs = {**setup.kwargs, "tasks": [next(iter(rows.values()))]}
        setup = dataclasses.replace(setup, kwargs=kwargs)
        setup.make().close()
        return setup, rows
    try:
        core = env.unwrapped
        if not isinstance(core, TextEnv):
            return setup, {}
        tasks = core.tasks
        return setup, {
            index: rows[index]
            for index, record in records.items()
            if not 0 <= index < len(tasks) or task_record(setup.env_id, tasks[index]) != record
        }
    finally:
        env.close()


@dataclass(frozen=True)
class _RowEnv(LentEnv):
    """An environment that plays a row, whatever index it is asked for."""

    row: dict[str, Any]

    async def reset(self, seed: int, options: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
        return await super().reset(seed, {**options, "task": self.row})


class _Recorded:
    """An agent that says what was said before."""

    def __init__(self, actions: Iterable[str]) -> None:
        self._actions = iter(actions)

    async def act(self, observation: str, info: dict[str, Any]) -> str:
        return next(self._actions)


async def _replay(pool: EnvPool, old: Rollout, row: dict[str, Any] | None) -> Rollout:
    """Return the record that the episode has today."""
    player = Player(Job(old.env_id, old.task_index, old.repeat, old.seeds))
    actions = actions_of(old)
    try:
        if len(actions) < max(old.turns, 1):
            raise DataError(f"the record has {len(actions)} readable actions for {old.turns} turns")
        lent = await pool.take()
        try:
            env = lent if row is None else _RowEnv(lent.vector, lent.slot, row)
            await player.play(env, _Recorded(actions), max_turns=len(actions))
        finally:
            pool.give_back(lent)
    except Exception as error:  # whatever an environment raises: the others are rescored all the same
        player.fail_by(error)
    return _renewed(old, player.finish(), actions)


def _renewed(old: Rollout, new: Rollout, actions: Sequence[str]) -> Rollout:
    """Return the new record with what the old one says of the model's work."""
    is_as_long = new.turns == old.turns
    found = new.model_copy(
        update={
            "task_id": old.task_id,
            "calls": old.calls if is_as_long else old.calls[: new.turns],
            "tokens": old.tokens if is_as_long else None,
            "actions": None if old.actions is None else list(actions[: new.turns]),
            "timings": old.timings,
        }
    )
    # As it will be read back, so that nothing differs by how JSON writes it.
    return Rollout.model_validate_json(encoded(found))


def _compare(result: Rescored, old: Rollout, new: Rollout) -> None:
    place = Place.of(old)
    if new.failure is not None:
        kind, message = f"{new.failure.kind}: {new.failure.cause}", new.failure.message
        result.failures.append(ReplayFailure(place, kind, message))
        return
    what = _divergence(old, new)
    if what is not None:
        result.divergences.append(Divergence(place, what))
    for component, a, b in _rewards(old, new):
        if a is None or b is None or not math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-9):
            result.changes.append(Change(place, component, a, b))


def _rewards(old: Rollout, new: Rollout) -> Iterator[tuple[str | None, float | None, float | None]]:
    yield None, old.reward if old.counts else None, new.reward
    if old.counts:
        for name in dict.fromkeys([*old.rewards, *new.rewards]):
            yield name, old.rewards.get(name), new.rewards.get(name)


def _divergence(old: Rollout, new: Rollout) -> str | None:
    """Say where the environment first did something else; None where it did not."""
    if old.tools != new.tools:
        return "the tools differ"
    ours, theirs = _answers(old), _answers(new)
    for (place, was), (_, now) in zip(ours, theirs, strict=False):
        if was != now:
            return f"message {place} ({was.get('role')}) differs"
    if new.turns != old.turns and old.counts:
        return f"the episode ends after {new.turns} of {old.turns} turns"
    if len(ours) != len(theirs):
        return f"{len(theirs)} messages of the environment, {len(ours)} in the run"
    if old.counts and old.state != new.state:
        return f"the episode is {new.state}, it was {old.state}"
    return None


def _answers(rollout: Rollout) -> list[tuple[int, Message]]:
    """Return what the environment said; the assistant's part is what was played."""
    return [(i, m) for i, m in enumerate(rollout.messages) if m.get("role") != "assistant"]


def write_rescored(run: RunFolder, result: Rescored, path: Path, command: Sequence[str]) -> None:
    """Write a whole new run with the new records.

    Args:
        run: what was rescored.
        result: what came of it.
        path: the new folder.
        command: noted in the new manifest; it names the run that the actions come from.

    Raises:
        ConfigError: there is a run in the folder already.
    """
    found = versions()
    environments = {
        env_id: env.model_copy(update={"version": found["gym_llm"]})
        for env_id, env in run.manifest.environments.items()
    }
    manifest = run.manifest.model_copy(
        update={
            "environments": environments,
            "command": list(command),
            "versions": found,
            "created_at": time.time(),
        }
    )
    if path.resolve() == run.path.resolve():
        raise ConfigError(f"the output folder {path} is the run itself; a run is never changed")
    with RunWriter(path, manifest) as writer:
        writer.write_tasks(run.tasks())
        for rollout in result.rollouts:
            writer.add(rollout)
        counts = {env_id: env.tasks for env_id, env in environments.items()}
        jobs = plan(counts, manifest.repeats, manifest.seed, manifest.shard)
        expected = Counter(job.env_id for job in jobs)
        writer.write_metrics(summarise(result.rollouts, expected=expected).to_dict())
