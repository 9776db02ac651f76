"""The order of work of a run, and its shards."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gym_llm.errors import ConfigError
from gym_llm.rollouts.plan import parse_shard, plan
from gym_llm.rollouts.records import Job

COUNTS = st.dictionaries(st.text("abcdé/-", min_size=1, max_size=8), st.integers(0, 30), max_size=4)


@given(COUNTS, st.integers(1, 3), st.integers(0, 2**64), st.integers(1, 9))
def test_shards_are_disjoint_complete_and_of_one_size(
    counts: dict[str, int], repeats: int, seed: int, shards: int
) -> None:
    whole = plan(counts, repeats, seed)
    parts = [plan(counts, repeats, seed, (i, shards)) for i in range(1, shards + 1)]
    everything = {(e, t, r) for e, n in counts.items() for t in range(n) for r in range(repeats)}
    assert {job.key for job in whole} == everything
    assert len(whole) == len(everything)
    dealt = [job for part in parts for job in part]
    assert sorted(dealt, key=lambda job: job.key) == sorted(whole, key=lambda job: job.key)
    sizes = {len({job.key[:2] for job in part}) for part in parts}
    assert max(sizes) - min(sizes) <= 1


@given(COUNTS, st.integers(1, 3), st.integers(0, 2**64), st.integers(1, 5), st.data())
def test_a_shard_is_in_the_order_of_the_run(
    counts: dict[str, int], repeats: int, seed: int, shards: int, data: st.DataObject
) -> None:
    number = data.draw(st.integers(1, shards))
    part = plan(counts, repeats, seed, (number, shards))
    groups = [plan(counts, repeats, seed)[i::repeats] for i in range(repeats)]
    assert [part[i::repeats] for i in range(repeats)] == [g[number - 1 :: shards] for g in groups]


def test_environments_follow_each_other_and_repeats_are_next_to_each_other() -> None:
    jobs = plan({"b": 20, "a": 10}, repeats=3, seed=5)
    assert [job.env_id for job in jobs] == ["b"] * 60 + ["a"] * 30
    assert [job.repeat for job in jobs] == [0, 1, 2] * 30
    assert all(len({job.task for job in jobs[i : i + 3]}) == 1 for i in range(0, 90, 3))


def test_the_seed_draws_the_order_and_the_seeds_of_the_jobs() -> None:
    orders = [[job.task for job in plan({"a": 50}, 1, seed)] for seed in (0, 0, 1, 2**40)]
    assert orders[0] == orders[1]
    assert len({tuple(order) for order in orders}) == 3
    assert plan({"a": 50}, 1, 7)[0] == Job.of("a", plan({"a": 50}, 1, 7)[0].task, 0, 7)


def test_each_environment_has_an_order_of_its_own_whatever_runs_beside_it() -> None:
    both = plan({"a": 40, "b": 40}, 1, 3)
    assert [job.task for job in both[:40]] != [job.task for job in both[40:]]
    assert both[40:] == plan({"b": 40}, 1, 3)


def test_every_place_of_the_order_is_as_likely() -> None:
    first = [plan({"a": 4}, 1, seed)[0].task for seed in range(400)]
    assert all(60 < first.count(task) < 140 for task in range(4))


def test_the_order_is_pinned() -> None:
    """Shards of one run may be made by different versions: a changed order would break them."""
    assert [job.task for job in plan({"gym_llm/MCQA-v0": 10}, 1, 1)] == [4, 1, 0, 9, 8, 2, 5, 3, 7, 6]


@pytest.mark.parametrize(("text", "shard"), [("1/1", (1, 1)), ("2/4", (2, 4)), (" 3 / 12 ", (3, 12))])
def test_a_shard_is_read(text: str, shard: tuple[int, int]) -> None:
    assert parse_shard(text) == shard


@pytest.mark.parametrize("text", ["", "2", "0/4", "5/4", "1/0", "a/b", "-1/4", "1.0/4", "1/4/2", "٢/٤"])
def test_what_is_no_shard_is_an_error(text: str) -> None:
    with pytest.raises(ConfigError, match="shard must be"):
        parse_shard(text)


@pytest.mark.parametrize(
    ("counts", "repeats", "seed", "shard", "message"),
    [
        pytest.param({"a": 1}, 0, 0, None, "repeats must be 1 or more, got 0", id="repeats"),
        pytest.param({"a": 1}, 1, -1, None, "seed must be 0 or more, got -1", id="seed"),
        pytest.param({"a": -1}, 1, 0, None, "a: the number of tasks", id="count"),
        pytest.param({"a": 1}, 1, 0, (3, 2), "got 3/2", id="shard"),
    ],
)
def test_bad_arguments(
    counts: dict[str, int], repeats: int, seed: int, shard: tuple[int, int] | None, message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        plan(counts, repeats, seed, shard)
