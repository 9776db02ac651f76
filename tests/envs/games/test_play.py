"""A person at the keyboard: the games in the real ``gymnasium.utils.play``, without a screen."""

from typing import Any

import gymnasium
import pytest

import gym_llm  # noqa: F401


# Gymnasium warns at import that its plots need matplotlib; playing does not.
@pytest.mark.filterwarnings("ignore:.*matplotlib is not installed")
@pytest.mark.parametrize(
    ("env_id", "row", "keys", "actions", "returned"),
    [
        pytest.param("gym_llm/Blackjack-v0", {"deck": [5, 6, 2, 10, 10, 4, 2]}, "hs",
                     ["hit", "stand"], 1.0, id="blackjack"),
        pytest.param("gym_llm/Sokoban-v0", {"seed": 42}, "swadd",
                     ["Down", "Up", "Left", "Right", "Right"], 10.5, id="sokoban"),
        pytest.param("gym_llm/Tetris-v0", {"seed": 5, "box_type": 1}, "adsss",
                     ["Left", "Right", "Down", "Down", "Down"], -0.5, id="tetris"),
    ],
)  # fmt: skip
def test_keys_play_the_game(
    env_id: str,
    row: dict[str, Any],
    keys: str,
    actions: list[str],
    returned: float,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    pygame = pytest.importorskip("pygame")
    from gymnasium.utils.play import play

    played: list[tuple[str, float]] = []
    boards: list[Any] = []
    env = gymnasium.make(env_id, tasks=[row], render_mode="rgb_array")

    def press(number: int) -> None:
        """Let go of the last key and press the next; close the window after the last."""
        if number:
            pygame.event.post(pygame.event.Event(pygame.KEYUP, key=ord(keys[number - 1])))
        if number < len(keys):
            pygame.event.post(pygame.event.Event(pygame.KEYDOWN, key=ord(keys[number])))
        else:
            pygame.event.post(pygame.event.Event(pygame.QUIT))

    def after_step(before: Any, after: Any, action: str, reward: float, *rest: Any) -> None:
        played.append((action, reward))
        boards.append(env.render())
        press(len(played))

    pygame.display.init()
    press(0)
    play(env, wait_on_player=True, noop="", callback=after_step, fps=1000, seed=0)
    assert [action for action, _ in played] == [f"<action>{action}</action>" for action in actions]
    assert sum(reward for _, reward in played) == pytest.approx(returned)
    assert any((board != boards[0]).any() for board in boards)
