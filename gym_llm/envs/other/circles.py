"""Pictures of coloured circles: places, colours, drawing, and pictures as data URLs."""

import base64
import io
import math
import random
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pydantic
from numpy.typing import NDArray

from gym_llm.messages import Message

COLOURS: Mapping[str, tuple[int, int, int]] = {
    "red": (220, 50, 47),
    "blue": (38, 139, 210),
    "green": (133, 153, 0),
    "yellow": (181, 137, 0),
    "purple": (108, 113, 196),
    "orange": (203, 75, 22),
    "cyan": (42, 161, 152),
    "pink": (211, 54, 130),
}
MAX_SIZE = 4096
TRIES = 500
GAP, MARGIN = 15, 10
"""Pixels between two circles, and between a circle and the border."""


class Circle(pydantic.BaseModel):
    """One circle, in pixels from the top left."""

    x: int = pydantic.Field(ge=-MAX_SIZE, le=2 * MAX_SIZE)
    y: int = pydantic.Field(ge=-MAX_SIZE, le=2 * MAX_SIZE)
    radius: int = pydantic.Field(ge=0, le=MAX_SIZE)
    color: str


def place_circles(rng: random.Random, size: int, radius: int, count: int) -> list[tuple[int, int]]:
    """Return centres that keep their distance; fewer than ``count`` where no place is found."""
    low, high = radius + MARGIN, size - radius - MARGIN
    placed: list[tuple[int, int]] = []
    for _ in range(count):
        for _ in range(TRIES):
            centre = rng.randint(low, high), rng.randint(low, high)
            if all(math.dist(centre, other) > 2 * radius + GAP for other in placed):
                placed.append(centre)
                break
    return placed


def draw_circles(circles: Sequence[Circle], size: int) -> Any:
    """Return a Pillow image: filled circles on white; unknown colours are black."""
    from PIL import Image, ImageDraw

    image = Image.new("RGB", (size, size), "white")
    canvas = ImageDraw.Draw(image)
    for circle in circles:
        box = [
            (circle.x - circle.radius, circle.y - circle.radius),
            (circle.x + circle.radius, circle.y + circle.radius),
        ]
        canvas.ellipse(box, fill=COLOURS.get(circle.color, (0, 0, 0)))
    return image


def picture_part(circles: Sequence[Circle], size: int) -> Message:
    """Return the picture as a part of a chat message: a PNG in a data URL."""
    buffer = io.BytesIO()
    draw_circles(circles, size).save(buffer, "PNG")
    encoded = base64.b64encode(buffer.getvalue()).decode()
    return {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{encoded}"}}


def picture_of(messages: Sequence[Message]) -> NDArray[np.uint8] | None:
    """Return the first picture of a prompt as (height, width, 3); None where it holds none."""
    from PIL import Image

    parts = [part for m in messages if isinstance(m["content"], list) for part in m["content"]]
    urls = [part["image_url"]["url"] for part in parts if part.get("type") == "image_url"]
    if not urls or not urls[0].startswith("data:"):
        return None
    try:
        data = base64.b64decode(urls[0].partition(",")[2])
        with Image.open(io.BytesIO(data)) as image:
            return np.asarray(image.convert("RGB"), dtype=np.uint8)
    # What is no picture: not base64, not an image, too large for Pillow's own bound.
    except (ValueError, OSError, EOFError, SyntaxError, Image.DecompressionBombError):
        return None
