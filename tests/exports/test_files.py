"""Reading lines out of order, and files that are whole or not there."""

from pathlib import Path

import pytest

from gym_llm.errors import ConfigError
from gym_llm.exports.files import LineReader, new_file, plain, with_offsets, write_lines
from gym_llm.rollouts.records import Rollout
from tests.support.runs import make_run, rollout


def test_lines_are_read_in_any_order(tmp_path: Path) -> None:
    rollouts = [rollout(0, answer="ü漢"), rollout(1), rollout(2)]
    run = make_run(tmp_path / "run", rollouts)
    path = run.path / "rollouts.jsonl"
    offsets = [offset for offset, _ in with_offsets(path, run.rollouts())]
    with LineReader(path, Rollout) as reader:
        assert [reader.at(offset) for offset in reversed(offsets)] == rollouts[::-1]


def test_offsets_end_before_a_torn_line(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", [rollout(0), rollout(1)])
    path = run.path / "rollouts.jsonl"
    path.write_bytes(path.read_bytes()[:-3])
    assert [r.task_index for _, r in with_offsets(path, run.rollouts())] == [0]


def test_missing_file_has_no_lines(tmp_path: Path) -> None:
    assert list(with_offsets(tmp_path / "none", [])) == []
    with LineReader(tmp_path / "none", Rollout) as reader, pytest.raises(IndexError):
        reader.at(0)


def test_file_is_not_there_after_an_error(tmp_path: Path) -> None:
    def records() -> list[int]:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), new_file(tmp_path / "x"):
        records()
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("mine")
    with pytest.raises(ConfigError, match="exists already"):
        write_lines(tmp_path / "x", [1])
    assert (tmp_path / "x").read_text() == "mine"


def test_lines_are_utf8(tmp_path: Path) -> None:
    assert write_lines(tmp_path / "new" / "x.jsonl", [{"a": "漢"}, {"a": "é"}]) == 2
    assert (tmp_path / "new" / "x.jsonl").read_text(encoding="utf-8") == '{"a": "漢"}\n{"a": "é"}\n'


def test_numbers_that_json_lacks_are_null() -> None:
    assert plain({"a": [float("nan"), 1.0], "b": {"c": float("-inf")}}) == {
        "a": [None, 1.0],
        "b": {"c": None},
    }
