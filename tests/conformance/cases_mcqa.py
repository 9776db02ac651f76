"""Multiple choice."""

import dataclasses
import re
from typing import Any

from tests.conformance.harness import Case, Record, Replay


def from_prompt(record: Record, replay: Replay) -> Replay:
    """Read the options, and the pattern of the one template that names its phrase, from the recorded
    prompt."""
    prompt = replay.row["responses_create_params"]["input"][-1]["content"]
    options = [{letter: text} for letter, text in re.findall(r"^([A-J]): (.+)$", prompt, re.MULTILINE)]
    row: dict[str, Any] = {"options": options, **replay.row}
    if "Final Choice:" in prompt:
        row.setdefault("template_metadata", {"output_regex": r"Final Choice:\s*([A-Z])"})
    return dataclasses.replace(replay, row=row)


CASES = [
    Case("gym_llm/MCQA-v0", "mcqa", ("mcqa__example",), prepare=from_prompt),
    Case(
        "gym_llm/MCQA-v0",
        "mcqa__with_template_metadata",
        ("mcqa__example_with_template_metadata",),
        prepare=from_prompt,
    ),
]
