"""The page as a file: one document, nothing of a model in its markup, limits that are named."""

import base64
import hashlib
import json
import random
import re
import zlib
from pathlib import Path
from typing import Any

import pytest

from gym_llm.errors import ConfigError
from gym_llm.rollouts.records import TokenSegment
from gym_llm.rollouts.run_folder import RunFolder
from gym_llm.viewer import write_page
from tests.support.runs import make_run, rollout
from tests.viewer.sample import HOSTILE, answered


def block(page: Path, name: str) -> Any:
    """Return what a data block of the page holds."""
    found = re.search(rf'id="{name}">([^<]*)</script>', page.read_text())
    assert found
    return json.loads(zlib.decompress(base64.b64decode(found[1])))


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    rollouts = [answered(0, HOSTILE, reward=1.0), answered(0, "\\boxed{B}", repeat=1), answered(1, "x")]
    return make_run(tmp_path / "run", rollouts)


def test_page_refers_to_nothing_outside(run: RunFolder, tmp_path: Path) -> None:
    facts = write_page(run, tmp_path / "page.html")
    text = facts.path.read_text()
    assert (facts.rollouts, facts.left_out, facts.size) == (3, 0, len(text.encode()))
    assert not re.search(r"https?://", text)
    assert re.findall(r'(?:src|href)="([^"]*)"', text) == ["data:,"]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["page.html", "run"]


def test_policy_allows_exactly_the_script_and_the_style_of_the_page(
    run: RunFolder, tmp_path: Path
) -> None:
    text = write_page(run, tmp_path / "page.html").path.read_text()
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', text)
    assert policy
    for tag in ("script", "style"):
        inline = re.findall(rf"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
        assert len(inline) == 1
        digest = base64.b64encode(hashlib.sha256(inline[0].encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}';" in policy[1]
    assert policy[1].startswith("default-src 'none'; ")
    assert "unsafe" not in policy[1]


def test_text_of_models_is_in_no_markup(run: RunFolder, tmp_path: Path) -> None:
    page = write_page(run, tmp_path / "page.html").path
    assert "hacked" not in page.read_text()
    chunk = block(page, "chunk-0")
    assert chunk["rollouts"][0]["messages"][1]["content"] == HOSTILE
    index = block(page, "index")
    assert [row[:6] for row in index["rollouts"]] == [
        [0, 0, 1.0, 0, None, 1],
        [0, 1, 0.0, 0, None, 1],
        [1, 0, 0.0, 0, None, 1],
    ]
    assert index["tasks"][1] == [0, "task-1", 1, "Question 1?"]
    assert index["environments"][0]["mean"] == 0.25


def test_what_repeats_share_stands_once(tmp_path: Path) -> None:
    tools = [{"type": "function", "function": {"name": "add"}}]
    tokens = [TokenSegment(token_ids=[1, 2], loss_mask=[0, 1], logprobs=[None, -0.1])]
    run = make_run(tmp_path / "run", [rollout(0, n, tools=tools, tokens=tokens) for n in range(3)])
    chunk = block(write_page(run, tmp_path / "page.html").path, "chunk-0")
    assert chunk["shared"] == [tools, json.dumps({"level": "hard"}, indent=2)]
    assert [(r["tools"], r["row"], r["training_tokens"]) for r in chunk["rollouts"]] == [(0, 1, 2)] * 3
    assert "tokens" not in chunk["rollouts"][0]


def test_limit_keeps_the_first_and_counts_all(run: RunFolder, tmp_path: Path) -> None:
    facts = write_page(run, tmp_path / "page.html", limit=2)
    index = block(facts.path, "index")
    assert (facts.rollouts, facts.left_out) == (2, 1)
    assert (len(index["rollouts"]), len(index["tasks"]), index["total"]) == (2, 1, 3)
    assert index["environments"][0]["completed"] == 3


def test_size_is_limited_too(tmp_path: Path) -> None:
    noise = [random.Random(n).randbytes(600_000).hex() for n in range(4)]
    run = make_run(tmp_path / "run", [answered(n, text) for n, text in enumerate(noise)])
    empty = write_page(run, tmp_path / "page.html", max_bytes=0)
    assert (empty.rollouts, empty.left_out) == (0, 4)
    some = write_page(run, tmp_path / "page.html", max_bytes=empty.size)
    assert 0 < some.rollouts < 4


def test_large_runs_are_split_and_values_without_json_are_spelled(tmp_path: Path) -> None:
    fields = {"ratio": float("nan"), "odd": float("inf")}
    verification = {"reward": 0.0, "rewards": {}, "fields": fields}
    run = make_run(
        tmp_path / "run", [answered(n, "y" * 400_000, verification=verification) for n in range(4)]
    )
    page = write_page(run, tmp_path / "page.html").path
    assert [row[-2:] for row in block(page, "index")["rollouts"]] == [[0, 0], [0, 1], [0, 2], [1, 0]]
    assert len(block(page, "chunk-1")["rollouts"]) == 1


def test_empty_run_has_a_page(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", [])
    assert write_page(run, tmp_path / "page.html").rollouts == 0


def test_bad_arguments_leave_the_old_page(run: RunFolder, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.write_text("old")
    with pytest.raises(ConfigError, match="limit must be 1 or more, got 0"):
        write_page(run, page, limit=0)
    assert page.read_text() == "old"
    with pytest.raises(ConfigError, match="cannot be written"):
        write_page(run, tmp_path / "missing" / "page.html")
