"""CircleCount: count the circles of one colour in a picture (generated, single turn)."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
import pydantic
from numpy.typing import NDArray

from gym_llm.core import QuestionEnv
from gym_llm.envs.other.circles import (
    COLOURS,
    MAX_SIZE,
    Circle,
    draw_circles,
    picture_of,
    picture_part,
    place_circles,
)
from gym_llm.errors import ConfigError
from gym_llm.messages import Message
from gym_llm.scores import Score, mean_by, number, task_mean
from gym_llm.tasks import RawRow, Row, Task
from gym_llm.verification import Episode, Verification
from gym_llm.verifiers.boxed import boxed_integer

SIZE = 1000
RADII, COUNTS, PALETTES = (30, 60), (5, 20), (2, 4)


class CircleCountRow(Row):
    """The circles of a picture, or the seed that draws them."""

    circles: list[Circle] = []
    target_color: str = ""
    size: int = pydantic.Field(SIZE, ge=1, le=MAX_SIZE)
    """Width and height of the picture, where it is drawn from the circles."""
    seed: int | None = None

    @pydantic.model_validator(mode="before")
    @classmethod
    def _draw_from_seed(cls, raw: Any) -> Any:
        if isinstance(raw, dict) and isinstance(raw.get("seed"), int) and "circles" not in raw:
            return {**generate_task(raw["seed"]), **raw}
        return raw

    @property
    def expected_count(self) -> int:
        """How many circles have the target's colour."""
        return sum(circle.color == self.target_color for circle in self.circles)

    def default_prompt(self) -> list[Message] | None:
        """Return the picture and the question; None without a colour to ask for."""
        if not self.target_color:
            return None
        question = (
            f"How many {self.target_color} circles does this picture show? Give the number, and nothing "
            r"else, in \boxed{}."
        )
        content = [picture_part(self.circles, self.size), {"type": "text", "text": question}]
        return [{"role": "user", "content": content}]


def generate_task(index: int) -> RawRow:
    """Return the row that NeMo Gym's generator makes of this seed: the draws come in its order."""
    rng = random.Random(index)
    size, radius = rng.randint(SIZE, SIZE), rng.randint(*RADII)
    count, colours = rng.randint(*COUNTS), rng.randint(*PALETTES)
    palette = rng.sample([*COLOURS], colours)
    names = [rng.choice(palette) for _ in range(count)]
    target = rng.choice(palette)
    centres = place_circles(rng, size, radius, count)
    circles = [
        {"x": x, "y": y, "radius": radius, "color": name}
        for (x, y), name in zip(centres, names, strict=False)
    ]
    return {
        "task_id": f"circle_count-seed-{index}",
        "circles": circles,
        "target_color": target,
        "size": size,
    }


@dataclass(frozen=True)
class CircleCount:
    r"""1.0 if the first box with nothing but digits holds the right number; else 0.0."""

    which: Literal["first", "last"] = "first"
    """Which of several such boxes counts."""

    components = ("correct",)
    answer_field = "predicted_count"

    def __post_init__(self) -> None:
        if self.which not in ("first", "last"):
            raise ConfigError(f"which must be 'first' or 'last', got {self.which!r}")

    def __call__(self, task: Task, episode: Episode) -> Verification:
        """Grade the text outside the thoughts."""
        expected = task.row.expected_count
        predicted = boxed_integer(episode.text("all", reasoning="outside"), self.which)
        return Verification.of(
            "correct",
            predicted == expected,
            predicted_count=predicted,
            expected_count=expected,
            correct=predicted == expected,
            absolute_error=None if predicted is None else abs(predicted - expected),
        )

    @staticmethod
    def metrics(scores: Sequence[Score]) -> dict[str, float | None]:
        """Return the mean absolute error of the counts given, and the reward by the right count."""
        return {
            "mean_absolute_error": task_mean(scores, number("absolute_error")),
            **mean_by(scores, ["expected_count"]),
        }


class CircleCountEnv(QuestionEnv):
    r"""Count the circles of one colour in a picture.

    ## Description
    Each task is a picture of 5 to 20 circles in 2 to 4 colours, and a colour. Now and then no circle has
    that colour.
    ## Observation
    ``str``: ``[image]`` and the question. ``info["messages"]`` holds the picture as an ``image_url``
    part with a PNG in a data URL; the render mode ``rgb_array`` shows it.
    ## Action
    ``str``: the assistant's text, with the number in ``\boxed{}``.
    ## Reward
    1.0 if the first ``\boxed{}`` with decimal digits and nothing else holds the number of circles of the
    asked colour, else 0.0; ``info["rewards"]`` has ``correct``. Boxes with other content, blanks and
    signs too, are skipped. ``info["verification"].fields``: ``predicted_count`` (int or None),
    ``expected_count``, ``correct``, ``absolute_error`` (int or None).

    Differs from NeMo Gym: boxes inside ``<think>`` do not count (there the first one wins), and a box
    with more than nine digits counts as no answer (an error there from 4300 on).
    ## Episode end
    Terminates after one step; never truncates.
    ## Arguments
    ``tasks``, ``on_bad_row``, ``render_mode`` (``"ansi"`` or ``"rgb_array"``): see
    `gym_llm.core.TextEnv`. ``which`` (str, default "first"): "last" grades the last box of digits, the
    better rule for models that correct themselves.
    ## Data and licence
    ``tasks="generated"``: task ``i`` is the picture that NeMo Gym's generator draws from seed ``i``
    (Apache 2.0). The bundled tasks are six of them. Rows may hold a picture of their own, ``circles``
    to draw, or a ``seed``.
    ## Version history
    - v0: first version.
    """

    metadata: ClassVar[dict[str, Any]] = {"render_modes": ["ansi", "rgb_array"], "render_fps": 1}  # type: ignore[misc]
    row_model = CircleCountRow
    data = "circle_count"
    verifier_class = CircleCount
    generate = staticmethod(generate_task)

    def render(self) -> str | NDArray[np.uint8] | None:
        """Return the transcript, or the picture of shape (height, width, 3), by the render mode."""
        if self.render_mode != "rgb_array":
            text: str | None = super().render()
            return text
        row = self.episode.task.row
        picture = picture_of(row.messages)
        return np.asarray(draw_circles(row.circles, row.size)) if picture is None else picture

    def example_actions(self) -> list[str]:
        """Return the counts that are possible at all."""
        return [f"\\boxed{{{count}}}" for count in range(COUNTS[1] + 1)]
