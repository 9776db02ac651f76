"""Questions about the weather of a city, for the environments with a tool that knows it."""

import functools
import json
import random
from pathlib import Path
from typing import Any


def weather_question(index: int) -> tuple[str, str]:
    """Return a city and a question about its weather; equal indices give equal questions."""
    rng = random.Random(index)
    words = _words()
    city = rng.choice(words["cities"])
    return city, rng.choice(words["phrasings"]).format(city=city)


@functools.cache
def _words() -> dict[str, Any]:
    text = (Path(__file__).parent / "data" / "weather.json").read_text(encoding="utf-8")
    words: dict[str, Any] = json.loads(text)
    return words
