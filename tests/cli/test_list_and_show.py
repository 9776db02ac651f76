"""``gym-llm list`` and ``gym-llm show``."""

import json

import pytest

from gym_llm.cli import main
from gym_llm.registration import table


def test_list_has_every_id(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list"]) == 0
    out = capsys.readouterr().out
    assert all(env_id in out for env_id in table)


def test_list_can_be_narrowed_and_read_by_programs(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "--domain", "games", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert {row["domain"] for row in rows} == {"games"}
    assert next(row for row in rows if row["row"] == "grl_sokoban")["reward_range"] == [None, 17.2]


@pytest.mark.parametrize("env_id", sorted(table))
def test_show_has_the_documentation_and_a_prompt(
    env_id: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["show", env_id]) == 0
    out = capsys.readouterr().out
    assert "Episode end" in out
    assert "prompt of" in out


def test_show_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", "mcqa", "--json"]) == 2
    assert main(["show", "MCQA", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["env"] == "gym_llm.envs.knowledge.mcqa:MCQAEnv"
