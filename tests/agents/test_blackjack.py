"""BasicStrategy plays by the book, from the observation alone."""

import asyncio

import gymnasium
import pytest

from gym_llm.agents.blackjack import BasicStrategy, should_hit


def advice(deck: str) -> str:
    env = gymnasium.make("gym_llm/Blackjack-v0", tasks=[{"deck": deck.split()}])
    observation, info = env.reset(seed=0)
    action = asyncio.run(BasicStrategy().act(observation, info))
    return action.removeprefix("<action>").removesuffix("</action>")


@pytest.mark.parametrize(
    ("deck", "action"),
    [
        pytest.param("10 2 4 9", "stand", id="12-against-4"),
        pytest.param("10 2 3 9", "hit", id="12-against-3"),
        pytest.param("10 6 6 9", "stand", id="16-against-6"),
        pytest.param("10 6 7 9", "hit", id="16-against-7"),
        pytest.param("10 7 A 9", "stand", id="hard-17"),
        pytest.param("A 6 5 9", "hit", id="soft-17"),
        pytest.param("A 7 8 9", "stand", id="soft-18-against-8"),
        pytest.param("A 7 K 9", "hit", id="soft-18-against-10"),
        pytest.param("A 8 A 9", "stand", id="soft-19"),
        pytest.param("5 6 5 9", "hit", id="11"),
    ],
)
def test_book(deck: str, action: str) -> None:
    assert advice(deck) == action


def test_ace_that_counts_one_makes_a_hard_hand() -> None:
    assert not should_hit(["A", "6", "K"], 17, 5)


def test_text_without_a_hand_gets_a_stand() -> None:
    assert asyncio.run(BasicStrategy().act("Hello", {})) == "<action>stand</action>"


def test_beats_standing_on_the_same_hands() -> None:
    env = gymnasium.make("gym_llm/Blackjack-v0", tasks="generated", disable_env_checker=True)
    totals = {True: 0.0, False: 0.0}
    for thinks in totals:
        agent = BasicStrategy()
        for index in range(1500):
            observation, info = env.reset(seed=0, options={"task": index})
            ended = False
            while not ended:
                action = asyncio.run(agent.act(observation, info)) if thinks else ""
                observation, reward, terminated, truncated, info = env.step(action)
                totals[thinks] += float(reward)
                ended = terminated or truncated
    assert totals[True] > totals[False] + 50
