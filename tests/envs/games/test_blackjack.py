"""Blackjack: the cases of its specification, knobs, rows, pictures."""

from typing import Any

import gymnasium
import numpy as np
import pytest

import gym_llm
from gym_llm.envs.games.blackjack import RANKS, value
from gym_llm.errors import ConfigError, RowError

HIT, STAND = "<action>hit</action>", "<action>stand</action>"


def make(deck: str = "", **kwargs: Any) -> gymnasium.Env[str, str]:
    env = gymnasium.make("gym_llm/Blackjack-v0", tasks=[{"deck": deck.split()}], **kwargs)
    env.reset(seed=0)
    return env


def play(deck: str, *actions: str, **kwargs: Any) -> tuple[list[float], dict[str, Any], bool]:
    env = make(deck, **kwargs)
    rewards, info, terminated = [], {}, False
    for action in actions:
        _, reward, terminated, _, info = env.step(action)
        rewards.append(reward)
    return rewards, info, terminated


@pytest.mark.parametrize(
    ("deck", "actions", "rewards", "reported"),
    [
        pytest.param("10 9 10 7", [STAND], [1.0],
                     {"result": "win", "player": "[10, 9]", "player_value": 19,
                      "dealer": "[10, 7]", "dealer_value": 17}, id="more-than-the-dealer"),
        pytest.param("10 9 10 6 K", [STAND], [1.0], {"result": "win", "dealer_value": 26},
                     id="dealer-busts"),
        pytest.param("10 7 10 7", [STAND], [0.0], {"result": "draw"}, id="draw"),
        pytest.param("10 8 10 9", [STAND], [-1.0], {"result": "loss"}, id="less-than-the-dealer"),
        pytest.param("10 8 A 6", [STAND], [1.0], {"dealer": "[A, 6]", "dealer_value": 17},
                     id="dealer-stands-on-soft-17"),
        pytest.param("10 9 2 3 5", [HIT], [-1.0],
                     {"result": "bust", "player": "[10, 9, 5]", "value": 24}, id="bust"),
        pytest.param("5 6 2 10 10 4 2", [HIT, STAND], [0.0, 1.0],
                     {"player_value": 21, "dealer_value": 18}, id="hit-then-stand"),
        pytest.param("A K A Q", [STAND], [0.0], {"player_value": 21, "dealer_value": 21},
                     id="no-bonus-for-a-natural"),
        pytest.param("A K 10 7 5", [HIT, STAND], [0.0, -1.0], {"player_value": 16},
                     id="hit-on-21-makes-the-ace-count-1"),
        pytest.param("10 9 10 7", ["dunno"], [1.0], {"result": "win", "invalid_action": True},
                     id="no-tag-stands"),
        pytest.param("5 5 10 7 2", ["<action>double</action>"], [-1.0],
                     {"result": "loss", "invalid_action": True}, id="unknown-action-stands"),
        pytest.param("10 9 10 7", [f"<think>maybe {HIT}</think> {STAND}"], [1.0],
                     {"result": "win", "invalid_action": False}, id="thoughts-are-not-played"),
        pytest.param("2 3 10 7", [f"<think>{STAND}</think> {HIT}"], [0.0], {"invalid_action": False},
                     id="action-after-thoughts"),
        pytest.param("10 9 10 7 2", [f"<think>no end {HIT}"], [1.0], {"invalid_action": True},
                     id="unclosed-thoughts"),
        pytest.param("2 3 10 7 4", [f"{HIT} or {STAND}"], [0.0], {"invalid_action": False},
                     id="first-tag-counts"),
        pytest.param("2 3 10 7 4", ["<ACTION>\n Hit </Action>"], [0.0], {"invalid_action": False},
                     id="case-and-blanks"),
        pytest.param("2 3 10 7 4", [gym_llm.encode_action(STAND, reasoning=HIT)], [-1.0],
                     {"invalid_action": False}, id="reasoning-of-the-server-is-not-read"),
    ],
)  # fmt: skip
def test_reward(deck: str, actions: list[str], rewards: list[float], reported: dict[str, Any]) -> None:
    paid, info, terminated = play(deck, *actions)
    assert paid == rewards
    assert {name: info[name] for name in reported} == reported
    assert terminated == ("result" in info)


def test_grade_is_the_return_with_the_result() -> None:
    _, info, _ = play("5 6 2 10 10 4 2", HIT, STAND)
    assert info["rewards"] == {"score": 1.0}
    assert info["verification"].fields["result"] == "win"
    assert info["verification"].fields["dealer"] == "[2, 10, 4, 2]"


def test_penalty_loses_the_hand() -> None:
    rewards, info, terminated = play("10 9 10 7", "dunno", invalid="penalty")
    assert (rewards, info["result"], terminated) == ([-1.0], "invalid", True)


def test_hand_of_small_cards_is_truncated_without_loss() -> None:
    env = make("A A A A " + "A " * 20)
    for turn in range(12):
        _, reward, terminated, truncated, info = env.step(HIT)
        assert (reward, terminated, truncated) == (0.0, False, turn == 11)
    assert info["verification"].reward == 0.0
    assert info["verification"].fields["result"] is None


def test_observation_hides_the_second_card() -> None:
    env = make("8 5 A 7 3")
    observation = env.step(HIT)[0]
    assert "[8, 5, 3] = 16" in observation
    assert "open card: A\n" in observation
    assert "7" not in observation


def test_values_lower_aces_one_at_a_time() -> None:
    assert [value(cards.split()) for cards in ("A A", "A A 9", "A A K", "J Q K", "A 9 A K")] == [
        12, 21, 12, 30, 21
    ]  # fmt: skip


def test_row_seed_fixes_the_hand_whatever_the_reset_seed() -> None:
    env = gymnasium.make("gym_llm/Blackjack-v0", tasks=[{"seed": 4}])
    assert env.reset(seed=1)[0] == env.reset(seed=2)[0]


def test_hands_without_seed_come_from_the_reset_seed() -> None:
    env = gymnasium.make("gym_llm/Blackjack-v0", tasks=[{}])
    first = [env.reset(seed=seed)[0] for seed in range(20)]
    assert first == [env.reset(seed=seed)[0] for seed in range(20)]
    assert len(set(first)) > 10


def test_ranks_are_equally_likely() -> None:
    env = gymnasium.make("gym_llm/Blackjack-v0", tasks=[{}])
    env.reset(seed=0)
    cards = []
    for _ in range(1000):
        env.reset()
        cards += env.unwrapped.episode.state.deck  # type: ignore[attr-defined]
    counts = [cards.count(rank) for rank in RANKS]
    assert max(counts) < 1.15 * min(counts)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        pytest.param({"deck": ["1"]}, r"deck\.0: Input should be '2'", id="unknown-rank"),
        pytest.param({"deck": ["A"] * 41}, "deck: List should have at most 40", id="too-many-cards"),
        pytest.param({"seed": -1}, "seed: Input should be greater", id="negative-seed"),
    ],
)
def test_bad_row_is_refused(row: dict[str, Any], message: str) -> None:
    with pytest.raises(RowError, match=message):
        gymnasium.make("gym_llm/Blackjack-v0", tasks=[row])


def test_unknown_rule_for_invalid_turns_is_refused() -> None:
    with pytest.raises(ConfigError, match="invalid must be 'stand' or 'penalty', got 'hit'"):
        gymnasium.make("gym_llm/Blackjack-v0", invalid="hit")


def test_text_board_shows_the_hole_card_at_the_end() -> None:
    env = make("10 9 10 7", render_mode="ansi")
    assert env.render() == "Dealer: [10, ?]\nPlayer: [10, 9] = 19"
    env.step(STAND)
    assert env.render() == "Dealer: [10, 7] = 17\nPlayer: [10, 9] = 19\nwin"


def test_picture_changes_with_the_hand() -> None:
    env = make("2 3 10 7 " + "A " * 12, render_mode="rgb_array")
    before = env.render()
    env.step(HIT)
    after = env.render()
    assert before.shape == after.shape == (400, 600, 3)  # type: ignore[union-attr]
    assert before.dtype == np.uint8  # type: ignore[union-attr]
    assert not np.array_equal(before, after)


def test_a_megabyte_of_open_tags_is_read_at_once() -> None:
    rewards, info, _ = play("10 9 10 7", "<action>" * 60_000 + "<action> " + " " * 500_000)
    assert (rewards, info["invalid_action"]) == ([1.0], True)
