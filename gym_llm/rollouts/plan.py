"""The jobs of a run in their order of work, and the shards that several machines share it in."""

import re
import zlib
from collections.abc import Iterator, Mapping

import numpy as np

from gym_llm.errors import ConfigError
from gym_llm.rollouts.records import Job, Manifest

Shard = tuple[int, int]
"""Number of a shard, from 1, and how many there are."""


def plan(counts: Mapping[str, int], repeats: int, seed: int, shard: Shard | None = None) -> list[Job]:
    """Return the jobs of a run, or of one shard of it, in their order of work.

    Environments come in the given order, the tasks of each in an order that the seed draws, and the
    repeats of a task next to each other, as they form a group. Shard ``i`` of ``n`` has each ``n``-th
    task, from the ``i``-th on: shards are disjoint, have all tasks between them, and differ by at most
    one task in size.

    Args:
        counts: number of tasks by environment id.
        repeats: rollouts of each task.
        seed: the run's seed, which the seeds of all jobs follow from as well.
        shard: number of the shard, from 1, and of all shards; None for the whole run.

    Raises:
        ConfigError: an argument is out of range.

    >>> [(job.task, job.repeat) for job in plan({"gym_llm/MCQA-v0": 3}, repeats=2, seed=0)]
    [(0, 0), (0, 1), (2, 0), (2, 1), (1, 0), (1, 1)]
    """
    if repeats < 1:
        raise ConfigError(f"repeats must be 1 or more, got {repeats}")
    return [
        Job.of(env_id, task, repeat, seed)
        for env_id, task in planned_tasks(counts, seed, shard)
        for repeat in range(repeats)
    ]


def planned_tasks(
    counts: Mapping[str, int], seed: int, shard: Shard | None = None
) -> list[tuple[str, int]]:
    """Return environment id and index of each task of a run, or of one shard, in the order of work.

    Raises:
        ConfigError: an argument is out of range.
    """
    if seed < 0:
        raise ConfigError(f"seed must be 0 or more, got {seed}")
    number, shards = check_shard(shard or (1, 1))
    return list(_in_order(counts, seed))[number - 1 :: shards]


def expected_rollouts(run: Manifest) -> dict[str, int]:
    """Return how many rollouts each environment of a run has, or of its shard."""
    tasks = {env_id: env.tasks for env_id, env in run.environments.items()}
    found = dict.fromkeys(tasks, 0)
    for env_id, _ in planned_tasks(tasks, run.seed, run.shard):
        found[env_id] += run.repeats
    return found


def _in_order(counts: Mapping[str, int], seed: int) -> Iterator[tuple[str, int]]:
    for env_id, count in counts.items():
        if count < 0:
            raise ConfigError(f"{env_id}: the number of tasks must be 0 or more, got {count}")
        # A spawn key, as numpy pads with zeros: the first job's seeds would come from the same state.
        # The raw stream, as numpy may change a shuffle from version to version but not that, and the
        # machines of a sharded run must agree.
        source = np.random.SeedSequence([seed, zlib.crc32(env_id.encode())], spawn_key=(0,))
        ranks = np.random.PCG64(source).random_raw(count)
        for task in np.argsort(ranks, kind="stable").tolist():
            yield env_id, task


def parse_shard(text: str) -> Shard:
    """Read a shard as the command line names it.

    Raises:
        ConfigError: it is not of this form, or out of range.

    >>> parse_shard("2/4")
    (2, 4)
    """
    found = re.fullmatch(r"\s*([0-9]{1,9})\s*/\s*([0-9]{1,9})\s*", text)
    if found is None:
        raise ConfigError(f"shard must be NUMBER/SHARDS such as 2/4, got {text!r}")
    return check_shard((int(found[1]), int(found[2])))


def check_shard(shard: Shard) -> Shard:
    """Return the shard as it is.

    Raises:
        ConfigError: its number is not from 1 to the number of shards.
    """
    number, shards = shard
    if not 1 <= number <= shards:
        raise ConfigError(f"shard must be from 1/{max(shards, 1)} on, got {number}/{shards}")
    return shard
