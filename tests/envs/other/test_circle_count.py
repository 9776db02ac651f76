"""CircleCount: the reward table of its specification, the generator, pictures, and rows."""

import base64
import io
from typing import Any

import gymnasium
import numpy as np
import pytest
from PIL import Image

import gym_llm  # noqa: F401
from gym_llm.envs.other.circle_count import generate_task
from gym_llm.envs.other.circles import COLOURS
from gym_llm.errors import ConfigError, RowError
from gym_llm.messages import encode_action

ID = "gym_llm/CircleCount-v0"
CIRCLES = [
    {"x": 100, "y": 200, "radius": 50, "color": "red"},
    {"x": 300, "y": 300, "radius": 40, "color": "red"},
    {"x": 500, "y": 100, "radius": 30, "color": "blue"},
]
ROW = {"circles": CIRCLES, "target_color": "red", "size": 600}


def grade(action: str, row: dict[str, Any] = ROW, **kwargs: Any) -> tuple[float, int | None]:
    env = gymnasium.make(ID, tasks=[row], **kwargs)
    env.reset(seed=0)
    _, reward, terminated, _, info = env.step(action)
    assert terminated
    fields = info["verification"].fields
    assert fields["correct"] == (reward == 1.0)
    return reward, fields["predicted_count"]


@pytest.mark.parametrize(
    ("action", "reward", "predicted"),
    [
        pytest.param(r"\boxed{2}", 1.0, 2, id="right"),
        pytest.param(r"$\boxed{2}$", 1.0, 2, id="in-math"),
        pytest.param(r"\boxed{02}", 1.0, 2, id="leading-zero"),
        pytest.param("2", 0.0, None, id="no-box"),
        pytest.param(r"\boxed{ 2 }", 0.0, None, id="blanks"),
        pytest.param(r"\boxed{2.0}", 0.0, None, id="point"),
        pytest.param(r"\boxed{-2}", 0.0, None, id="sign"),
        pytest.param(r"\boxed{\text{2}}", 0.0, None, id="macro"),
        pytest.param(r"\boxed {2}", 0.0, None, id="blank-before-the-brace"),
        pytest.param(r"\boxed{2", 0.0, None, id="unclosed"),
        pytest.param(r"\boxed{3} no \boxed{2}", 0.0, 3, id="first-box-counts"),
        pytest.param(r"\boxed{two} \boxed{2}", 1.0, 2, id="other-content-is-skipped"),
        pytest.param(r"<think>\boxed{2}</think> \boxed{3}", 0.0, 3, id="thoughts-do-not-count"),
        pytest.param(r"<think>\boxed{2}", 0.0, None, id="unfinished-thoughts-do-not-count"),
        pytest.param(
            encode_action(r"\boxed{1}", reasoning=r"\boxed{2}"), 0.0, 1, id="reasoning-does-not-count"
        ),
        pytest.param("", 0.0, None, id="empty"),
        pytest.param(r"\boxed{" + "2" * 5000 + "}", 0.0, None, id="thousands-of-digits"),
    ],
)
def test_reward(action: str, reward: float, predicted: int | None) -> None:
    assert grade(action) == (reward, predicted)


def test_absent_colour_counts_zero() -> None:
    assert grade(r"\boxed{0}", {**ROW, "target_color": "cyan"}) == (1.0, 0)


def test_last_box_counts_on_demand() -> None:
    assert grade(r"\boxed{3} no \boxed{2}", which="last") == (1.0, 2)


def test_distance_is_reported() -> None:
    env = gymnasium.make(ID, tasks=[ROW])
    env.reset(seed=0)
    fields = env.step(r"\boxed{5}")[4]["verification"].fields
    assert (fields["expected_count"], fields["absolute_error"]) == (2, 3)


def test_unknown_rule_is_refused() -> None:
    with pytest.raises(ConfigError, match="which must be 'first' or 'last', got 'best'"):
        gymnasium.make(ID, which="best")


@pytest.mark.parametrize(
    ("seed", "circles", "first", "target", "answer"),
    [(0, 18, (508, 387, 54, "pink"), "pink", 10), (3, 9, (611, 914, 48, "pink"), "orange", 2)],
)
def test_generator_draws_in_the_published_order(
    seed: int, circles: int, first: tuple[Any, ...], target: str, answer: int
) -> None:
    row = generate_task(seed)
    assert len(row["circles"]) == circles
    assert tuple(row["circles"][0].values()) == first
    assert row["target_color"] == target
    assert sum(circle["color"] == target for circle in row["circles"]) == answer


def test_five_of_the_first_hundred_answers_are_zero() -> None:
    rows = [generate_task(seed) for seed in range(100)]
    counts = [[c["color"] for c in row["circles"]].count(row["target_color"]) for row in rows]
    assert counts.count(0) == 5


def test_generated_task_is_the_seed_of_its_index() -> None:
    env = gymnasium.make(ID, tasks="generated")
    observation, info = env.reset(options={"task": 3})
    assert "orange" in observation
    assert info["task_id"] == "circle_count-seed-3"


def test_prompt_holds_the_picture_that_render_shows() -> None:
    env = gymnasium.make(ID, tasks=[ROW], render_mode="rgb_array")
    _, info = env.reset(seed=0)
    url = info["messages"][0]["content"][0]["image_url"]["url"]
    picture = Image.open(io.BytesIO(base64.b64decode(url.removeprefix("data:image/png;base64,"))))
    shown = env.render()
    assert shown.shape == (600, 600, 3)
    assert shown.dtype == np.uint8
    assert np.array_equal(shown, np.asarray(picture))
    assert tuple(shown[200, 100]) == COLOURS["red"]
    assert tuple(shown[0, 0]) == (255, 255, 255)


@pytest.mark.parametrize(
    "url", ["https://example.org/a.png", "data:image/png;base64,iVBORw0KGgo=", "data:,x"]
)
def test_render_draws_the_circles_where_the_picture_cannot_be_read(url: str) -> None:
    content = [{"type": "input_image", "image_url": url}, {"type": "input_text", "text": "How many?"}]
    params = {"input": [{"role": "system", "content": "Look."}, {"role": "user", "content": content}]}
    env = gymnasium.make(ID, tasks=[{**ROW, "responses_create_params": params}], render_mode="rgb_array")
    env.reset(seed=0)
    assert tuple(env.render()[300, 300]) == COLOURS["red"]


def test_transcript_shows_a_placeholder() -> None:
    env = gymnasium.make(ID, tasks=[ROW], render_mode="ansi")
    observation, _ = env.reset(seed=0)
    assert observation.startswith("[image]\nHow many red circles")
    assert env.render().startswith("[user] [image]")


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"circles": CIRCLES}, "responses_create_params: the row has no prompt"),
        ({**ROW, "circles": [{"x": 1, "y": 1, "color": "red"}]}, r"circles\.0\.radius: Field required"),
        ({**ROW, "circles": [{**CIRCLES[0], "x": 10**30}]}, r"circles\.0\.x: Input should be less"),
        ({**ROW, "size": 100_000}, "size: Input should be less than or equal to 4096"),
        ({"seed": "three"}, "seed: Input should be a valid integer"),
    ],
)
def test_bad_rows_are_refused(row: dict[str, Any], message: str) -> None:
    with pytest.raises(RowError, match=message):
        gymnasium.make(ID, tasks=[row])
