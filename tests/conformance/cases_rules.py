"""Rule-graded questions: GPQA Diamond, GraphWalks, structured outputs, CircleCount."""

import dataclasses
import re

from tests.conformance.cases_mcqa import from_prompt
from tests.conformance.harness import Case, Record, Replay


def with_circles(record: Record, replay: Replay) -> Replay:
    """Add as many circles as were expected: the records hold the picture and the count alone."""
    question = replay.row["responses_create_params"]["input"][-1]["content"][-1]["text"]
    (colour,) = re.findall(r"How many (\w+) circles", question)
    circle = {"x": 0, "y": 0, "radius": 1, "color": colour}
    row = {
        **replay.row,
        "target_color": colour,
        "circles": [circle] * record["row"]["expected_count"],
    }
    return dataclasses.replace(replay, row=row)


def with_schema(record: Record, replay: Replay) -> Replay:
    """Add the schema that the prompt shows; both answers are fenced, so that it does not decide."""
    prompt = replay.row["responses_create_params"]["input"][-1]["content"]
    (shown,) = re.findall(r"Schema structure: (\{.*\})", prompt)
    schema = f'{{"type": "object", "properties": {shown}}}'
    return dataclasses.replace(replay, row={**replay.row, "schema_str": schema, "schema_type": "json"})


CASES = [
    Case("gym_llm/GPQADiamond-v0", "gpqa_diamond", ("gpqa_diamond__example",), prepare=from_prompt),
    Case("gym_llm/GraphWalks-v0", "graphwalks", ("graphwalks__example",)),
    Case("gym_llm/StructuredOutputsV3-v0", "structured_outputs", prepare=with_schema),
    Case("gym_llm/CircleCount-v0", "circle_count", ("circle_count__example",), prepare=with_circles),
]
