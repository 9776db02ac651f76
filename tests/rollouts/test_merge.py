"""Shards become the run that one machine would have made, or an error that says why not."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from gym_llm.errors import ConfigError, DataError
from gym_llm.rollouts.merge import merge
from gym_llm.rollouts.plan import plan
from gym_llm.rollouts.records import EnvRecord, FailureRecord, Job, Rollout, TaskRecord
from gym_llm.rollouts.run_folder import RunFolder, RunWriter, digest
from tests.support.runs import MCQA, make_run, rollout

SIMPLEQA = "gym_llm/SimpleQA-v0"
COUNTS = {MCQA: 7, SIMPLEQA: 4}
REPEATS = 2
REFUSED = FailureRecord(kind="model_http", cause="HTTP 400", message="no")


def made(job: Job, **values: Any) -> Rollout:
    """Return the rollout that a job always gives: some earn 1, one fails."""
    if job.task == 2 and job.repeat == 1:
        values.setdefault("failure", REFUSED)
    reward = values.pop("reward", float(job.task % 3 == 0))
    return rollout(job.task, job.repeat, reward, env_id=job.env_id, **values)


def environments() -> dict[str, EnvRecord]:
    return {
        env_id: EnvRecord(version="0", tasks=count, digest=digest(task_rows(env_id, range(count))))
        for env_id, count in COUNTS.items()
    }


def task_rows(env_id: str, tasks: Iterable[int]) -> list[TaskRecord]:
    return [
        TaskRecord(env_id=env_id, task_id=f"task-{i}", task_index=i, row={"number": i}) for i in tasks
    ]


def shard(
    path: Path, rollouts: Iterable[Rollout], number: int | None, of: int = 3, **values: Any
) -> Path:
    """Write one shard of the run, or the whole run when ``number`` is None."""
    settled = {"environments": environments(), "repeats": REPEATS, "agent": "random", **values}
    make_run(path, rollouts, shard=number and (number, of), **settled)
    with RunWriter(path, RunFolder(path).manifest, resume=True, keeps_failures=True) as writer:
        writer.write_tasks(row for e, n in COUNTS.items() for row in task_rows(e, range(n)))
    return path


@pytest.fixture
def shards(tmp_path: Path) -> list[Path]:
    return [shard(tmp_path / f"s{i}", map(made, plan(COUNTS, REPEATS, 0, (i, 3))), i) for i in (1, 2, 3)]


def plain(rollouts: Iterable[Rollout]) -> list[dict[str, Any]]:
    return [r.without_times() for r in rollouts]


def test_merged_shards_are_the_unsharded_run(tmp_path: Path, shards: list[Path]) -> None:
    whole = RunFolder(shard(tmp_path / "whole", map(made, plan(COUNTS, REPEATS, 0)), None))
    merged = merge([shards[2], shards[0], shards[1]], tmp_path / "merged", command=["merge", "it"])
    assert plain(merged.folder.everything()) == plain(whole.everything())
    assert [r.key for r in merged.folder.rollouts()] == sorted(
        (r.key for r in whole.rollouts()), key=lambda key: (key[0] == SIMPLEQA, key)
    )
    assert [r.timings for r in merged.folder.everything()] == [r.timings for r in whole.everything()]
    assert list(merged.folder.tasks()) == list(whole.tasks())
    assert merged.folder.manifest.identity() == whole.manifest.identity()
    assert merged.folder.manifest.command == ["merge", "it"]
    assert (merged.rollouts, merged.failures, merged.missing_rollouts) == (20, 2, 0)
    assert merged.notes == []


def test_metrics_are_those_of_the_whole_run(tmp_path: Path, shards: list[Path]) -> None:
    from gym_llm.rollouts.metrics import summarise

    merged = merge(shards, tmp_path / "merged")
    ordered = sorted(map(made, plan(COUNTS, REPEATS, 0)), key=lambda r: r.key)
    expected = {env_id: count * REPEATS for env_id, count in COUNTS.items()}
    metrics = summarise(ordered, expected=expected).to_dict()
    assert merged.folder.metrics() == json.loads(json.dumps(metrics))


def test_shards_may_have_the_rows_of_their_own_tasks_only(tmp_path: Path) -> None:
    paths = []
    for i in (1, 2):
        jobs = plan(COUNTS, REPEATS, 0, (i, 2))
        path = shard(tmp_path / f"s{i}", map(made, jobs), i, 2)
        with RunWriter(path, RunFolder(path).manifest, resume=True, keeps_failures=True) as writer:
            writer.write_tasks(
                row
                for env_id in COUNTS
                for row in task_rows(env_id, sorted({j.task for j in jobs if j.env_id == env_id}))
            )
        paths.append(path)
    merged = merge(paths, tmp_path / "merged")
    assert [t.task_index for t in merged.folder.tasks()] == [*range(7), *range(4)]


def test_a_merged_run_can_be_resumed(tmp_path: Path, shards: list[Path]) -> None:
    merged = merge(shards[:2], tmp_path / "merged", partial=True)
    with RunWriter(tmp_path / "merged", merged.folder.manifest, resume=True) as writer:
        for job in plan(COUNTS, REPEATS, 0):
            if job.key not in writer.done:
                writer.add(made(job))
    assert [r.key for r in RunFolder(tmp_path / "merged").everything()] == [
        (e, t, r) for e, n in COUNTS.items() for t in range(n) for r in range(REPEATS)
    ]


def test_missing_shards_are_named_and_need_to_be_allowed(tmp_path: Path, shards: list[Path]) -> None:
    absent = sorted(job.task for job in plan(COUNTS, 1, 0, (2, 3)) if job.env_id == MCQA)
    with pytest.raises(ConfigError) as caught:
        merge([shards[0], shards[2]], tmp_path / "merged")
    text = str(caught.value)
    assert text.startswith("2 of 3 shards are there, not 2/3; 8 of 22 rollouts are missing")
    assert f"{MCQA}: tasks {', '.join(map(str, absent))}" in text
    assert not (tmp_path / "merged").exists()
    merged = merge([shards[0], shards[2]], tmp_path / "merged", partial=True)
    assert merged.missing[MCQA] == absent
    assert merged.missing_rollouts == 8
    assert merged.rollouts + merged.failures == 14


def test_rollouts_that_an_interrupted_shard_lacks_are_named(tmp_path: Path, shards: list[Path]) -> None:
    lines = (shards[1] / "rollouts.jsonl").read_bytes().splitlines(keepends=True)
    lost = Rollout.model_validate_json(lines[-1])
    (shards[1] / "rollouts.jsonl").write_bytes(b"".join(lines[:-1]) + lines[-1][:50])
    with pytest.raises(ConfigError) as caught:
        merge(shards, tmp_path / "merged")
    assert str(caught.value) == (
        f"1 of 22 rollouts are missing; {lost.env_id}: tasks {lost.task_index}; "
        "--partial merges what is there"
    )


@pytest.mark.parametrize(
    ("values", "message"),
    [
        pytest.param({"agent": "null"}, 'agent was "random", now "null"', id="agent"),
        pytest.param({"seed": 7}, "seed was 0, now 7", id="seed"),
        pytest.param({"versions": {"numpy": "9"}}, "numpy none and 9; --any-versions", id="versions"),
        pytest.param(
            {"environments": {**environments(), MCQA: EnvRecord(tasks=7, digest="x")}},
            f"{MCQA}: digest was",
            id="data",
        ),
    ],
)
def test_shards_of_different_runs_are_refused(
    values: dict[str, Any], message: str, tmp_path: Path, shards: list[Path]
) -> None:
    other = shard(tmp_path / "other", map(made, plan(COUNTS, REPEATS, 0, (3, 3))), 3, **values)
    with pytest.raises(ConfigError) as caught:
        merge([*shards[:2], other], tmp_path / "merged")
    assert message in str(caught.value)
    assert str(other) in str(caught.value)


def test_versions_may_differ_when_that_is_asked_for(tmp_path: Path, shards: list[Path]) -> None:
    other = shard(
        tmp_path / "other", map(made, plan(COUNTS, REPEATS, 0, (3, 3))), 3, versions={"numpy": "9"}
    )
    merged = merge([*shards[:2], other], tmp_path / "merged", any_versions=True)
    assert "numpy none and 9" in merged.notes[0]
    assert merged.folder.manifest.versions["numpy"] == "9"


def test_a_rollout_that_two_runs_have_is_kept_once(tmp_path: Path, shards: list[Path]) -> None:
    job = plan(COUNTS, REPEATS, 0, (1, 3))[0]
    again = made(job)
    again.timings.duration_s = 99.0
    other = shard(tmp_path / "other", [again], 1)
    merged = merge([*shards, other], tmp_path / "merged")
    assert merged.rollouts == 20
    assert merged.notes == ["1 rollouts are in several runs and equal; one of each is kept"]


def test_different_records_of_one_rollout_are_an_error(tmp_path: Path, shards: list[Path]) -> None:
    job = plan(COUNTS, REPEATS, 0, (1, 3))[0]
    other = shard(tmp_path / "other", [made(job, reward=0.25)], 1)
    with pytest.raises(DataError) as caught:
        merge([*shards, other], tmp_path / "merged")
    text = str(caught.value)
    assert (
        f"different records of one rollout: {job.env_id} task {job.task} repeat {job.repeat} in" in text
    )
    assert str(other) in text
    assert "reward, step_rewards, rewards, verification" in text


@pytest.mark.parametrize("counts_first", [True, False])
def test_a_rollout_that_counts_is_taken_before_one_that_failed(
    counts_first: bool, tmp_path: Path, shards: list[Path]
) -> None:
    job = next(job for job in plan(COUNTS, REPEATS, 0) if job.task == 0)
    other = shard(tmp_path / "other", [made(job, failure=REFUSED)], 1)
    merged = merge([*shards, other] if counts_first else [other, *shards], tmp_path / "merged")
    assert (merged.rollouts, merged.failures) == (20, 2)
    kept = {r.key: r for r in merged.folder.everything()}[job.key]
    assert (kept.state, kept.reward) == ("completed", 1.0)
    assert "failed in one run and count in another" in merged.notes[0]


def test_of_two_failures_the_first_is_kept(tmp_path: Path, shards: list[Path]) -> None:
    job = next(j for j in plan(COUNTS, REPEATS, 0) if (j.task, j.repeat) == (2, 1))
    other = shard(
        tmp_path / "other", [made(job, failure=FailureRecord(kind="budget", cause="x", message=""))], 1
    )
    merged = merge([*shards, other], tmp_path / "merged")
    assert {r.failure.kind for r in merged.folder.failures() if r.failure} == {"model_http"}
    assert "failed in several runs" in merged.notes[0]


def test_a_rollout_that_the_manifest_does_not_know_is_an_error(
    tmp_path: Path, shards: list[Path]
) -> None:
    other = shard(tmp_path / "other", [rollout(7)], 1)
    with pytest.raises(DataError, match=f"{MCQA} task 7 repeat 0 is not of the run"):
        merge([*shards, other], tmp_path / "merged")


def test_damaged_rows_are_an_error(tmp_path: Path, shards: list[Path]) -> None:
    for path in shards:
        rows = (path / "tasks.jsonl").read_text().replace('"number":3', '"number":33')
        (path / "tasks.jsonl").write_text(rows)
    with pytest.raises(DataError, match="are not those that the manifest stands for"):
        merge(shards, tmp_path / "merged")
    (shards[0] / "tasks.jsonl").write_text(rows.replace('"number":33', '"number":3'))
    with pytest.raises(DataError, match=f"different records of one task: {MCQA} task 3 in"):
        merge(shards, tmp_path / "merged")


def test_a_damaged_line_is_an_error_with_its_place(tmp_path: Path, shards: list[Path]) -> None:
    with (shards[0] / "rollouts.jsonl").open("ab") as file:
        file.write(b'{"env_id": 3}\n')
    with pytest.raises(DataError, match=r"rollouts\.jsonl, line \d+: env_id: Input should be"):
        merge(shards, tmp_path / "merged")


def test_nothing_is_overwritten(tmp_path: Path, shards: list[Path]) -> None:
    before = (shards[0] / "rollouts.jsonl").read_bytes()
    with pytest.raises(ConfigError, match="holds a run already"):
        merge(shards, shards[0])
    assert (shards[0] / "rollouts.jsonl").read_bytes() == before


def test_what_is_no_run_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is not the folder of a run"):
        merge([tmp_path], tmp_path / "merged")
    with pytest.raises(ConfigError, match="at least one run"):
        merge([], tmp_path / "merged")
