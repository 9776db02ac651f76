"""Multi-step: look up the values of a term's synonyms, one call each, and submit them in order."""

import functools
import json
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import pydantic
from pydantic import Field

from gym_llm.core import ToolEnv, tool
from gym_llm.messages import Message, ToolCall, encode_action
from gym_llm.tasks import RawRow, Row, Task
from gym_llm.verification import Episode, Verification

LOOKUP, SUBMIT = "get_synonym_value", "extract_synonym_values"


class MultiStepRow(Row):
    """The values to find; NeMo Gym's rows carry the prompt, bundled rows the question (``query``)."""

    id: int
    """Also seeds the order of the list in the prompt of a row without one."""
    query: str | None = None
    expected_synonyms: list[str] = Field(min_length=1)
    expected_synonym_values: list[int] = Field(min_length=1)
    minefield_label: str
    """The term itself, whose value must not be submitted."""
    minefield_label_value: int

    @pydantic.model_validator(mode="after")
    def _each_synonym_has_a_value(self) -> "MultiStepRow":
        names, values = len(self.expected_synonyms), len(self.expected_synonym_values)
        if names != values:
            raise ValueError(f"expected_synonym_values: {values} values for {names} synonyms")
        return self

    def default_prompt(self) -> list[Message] | None:
        """Return the instructions with a shuffled list of synonyms, and the question."""
        if self.query is None:
            return None
        lines = (f"{term}: {synonym}" for term, synonym in self.shuffled_synonyms())
        template = _read("multi_step_instructions.txt").strip()
        instructions = template.format(synonyms="\n".join(lines))
        return [{"role": "system", "content": instructions}, {"role": "user", "content": self.query}]

    def shuffled_synonyms(self) -> list[tuple[str, str]]:
        """Return pairs of term and synonym in random order, the expected synonyms in theirs."""
        rng = random.Random(self.id)
        pairs = [
            (entry["term"], synonym)
            for entry in synonym_table()
            for synonym in entry["synonyms"]
            if entry["term"] != self.minefield_label
        ]
        rng.shuffle(pairs)
        count = len(self.expected_synonyms)
        places = sorted(rng.sample(range(len(pairs) + count), count))
        for place, synonym in zip(places, self.expected_synonyms, strict=True):
            pairs.insert(place, (self.minefield_label, synonym))
        return pairs


@functools.cache
def _read(name: str) -> str:
    return (Path(__file__).parent / "data" / name).read_text(encoding="utf-8")


@functools.cache
def synonym_table() -> list[dict[str, Any]]:
    """Return the known terms: ``term``, ``synonyms``, and ``queries`` that are about the term."""
    entries: list[dict[str, Any]] = json.loads(_read("synonyms.json"))
    return entries


def synonym_value(synonym: str) -> int:
    """Return the sum of the code points.

    >>> synonym_value("Warm")
    407
    """
    return sum(map(ord, synonym))


@tool
def get_synonym_value(
    synonym: Annotated[str, Field(description="The synonym, exactly as in the list.")],
) -> dict[str, int]:
    """Look up the value of a synonym."""
    return {"synonym_value": synonym_value(synonym)}


@tool
def extract_synonym_values(
    synonym_values: Annotated[list[int], Field(description="The values, in the order of the list.")],
) -> dict[str, bool]:
    """Submit the values of the synonyms; the last submission counts."""
    return {"success": True}


_INTEGERS = pydantic.TypeAdapter(list[int])


@dataclass(frozen=True)
class SynonymValues:
    """1.0 if the last submission is the row's ``expected_synonym_values``; else 0.0."""

    require_lookup: bool = False
    """Pay only if every expected synonym was looked up before the submission."""

    components = ("correct",)

    def __call__(self, task: Task, episode: Episode) -> Verification:
        """Grade the last submission of the episode."""
        row = task.row
        actual, before = split_at_submission(episode.tool_calls)
        parsed = _integers(actual)
        expected = row.expected_synonym_values
        accuracy = bool(parsed) and actual == expected
        overlap = len(set(actual) & set(expected)) / len(expected) if parsed else 0.0
        looked_up = set(row.expected_synonyms) <= set(_lookups(before))
        return Verification.of(
            "correct",
            accuracy and (looked_up or not self.require_lookup),
            parsed_synonym_values=parsed,
            accuracy=accuracy,
            set_overlap=overlap,
            original_term_minefield_hit=row.minefield_label in actual
            or row.minefield_label_value in actual,
            order_instruction_following_failure=not accuracy and overlap == 1.0,
            is_permutation=bool(parsed) and Counter(actual) == Counter(expected),
            looked_up=looked_up,
        )


def split_at_submission(calls: Sequence[ToolCall]) -> tuple[list[Any], Sequence[ToolCall]]:
    """Return the values of the last submission, as the model wrote them, and the calls before it."""
    for i in reversed(range(len(calls))):
        if calls[i].name == SUBMIT:
            values = (calls[i].parsed_arguments() or {}).get("synonym_values")
            return (values if isinstance(values, list) else []), calls[:i]
    return [], []


def _lookups(calls: Sequence[ToolCall]) -> list[str]:
    found = [(c.parsed_arguments() or {}).get("synonym") for c in calls if c.name == LOOKUP]
    return [synonym for synonym in found if isinstance(synonym, str)]


def _integers(values: list[Any]) -> list[int]:
    """Return a submission as integers; none when one of its values is no integer."""
    try:
        return _INTEGERS.validate_python(values)
    except pydantic.ValidationError:
        return []


def adapt_columns(raw: RawRow, index: int) -> RawRow:
    """Convert the columns of ``Nexusflow/SyntheticExampleMultiStep``; other rows stay as they are."""
    if "ground_truth_labels" not in raw:
        return raw
    return {
        "id": index,
        "query": raw["query"],
        "expected_synonyms": raw["ground_truth_labels"],
        "expected_synonym_values": raw["ground_truth_values"],
        "minefield_label": raw["intended_label"],
        "minefield_label_value": raw["intended_label_value"],
    }


def generate_task(index: int) -> RawRow:
    """Return a row about one of the known terms; equal indices give equal rows."""
    rng = random.Random(index)
    entry = rng.choice(synonym_table())
    synonyms = rng.sample(entry["synonyms"], len(entry["synonyms"]))
    values = [synonym_value(synonym) for synonym in synonyms]
    calls = [ToolCall(LOOKUP, json.dumps({"synonym": synonym})) for synonym in synonyms]
    calls.append(ToolCall(SUBMIT, json.dumps({"synonym_values": values})))
    return {
        "id": index,
        "query": rng.choice(entry["queries"]),
        "expected_synonyms": synonyms,
        "expected_synonym_values": values,
        "minefield_label": entry["term"],
        "minefield_label_value": synonym_value(entry["term"]),
        "reference": [*(encode_action("", [call]) for call in calls), "The values are submitted."],
    }


class MultiStepEnv(ToolEnv):
    """Find the term that a question is about, look up its synonyms' values and submit them in order.

    ## Description
    The prompt lists synonyms of many terms. One term is what the question is about. The model looks up
    the value of each of its synonyms and submits the values in the order of the list.
    ## Observation
    ``str``: the row's prompt; for rows without one, instructions with a shuffled list, and ``query``.
    Then the results of the tools.
    ## Action
    ``str``: the assistant's turn with tool calls (see `gym_llm.encode_action`), or its final text.

    - ``get_synonym_value(synonym: string)`` gives ``{"synonym_value": ...}`` for any text: the sum of
      its code points;
    - ``extract_synonym_values(synonym_values: array of integers)`` gives ``{"success": true}``.
    ## Reward
    1.0 if the last submission equals ``expected_synonym_values`` (numeric strings do not), else 0.0;
    text is never read. ``info["rewards"]`` has ``correct``. With ``require_lookup=True`` every expected
    synonym must also have been looked up before. ``info["verification"].fields``:

    - ``parsed_synonym_values``: the submission, ``[]`` when there is none or a value is no integer;
    - ``accuracy``: it is as expected;
    - ``set_overlap``: part of the expected values that it holds;
    - ``original_term_minefield_hit``: it holds ``minefield_label`` or its value;
    - ``order_instruction_following_failure``: not accurate, though it holds all expected values;
    - ``is_permutation``: it holds the expected values and no others, in any order;
    - ``looked_up``: every expected synonym was looked up before it.

    Differs from NeMo Gym: a malformed submission earns 0.0 (an error there), and a row without expected
    values is refused.
    ## Episode end
    Terminates with the first turn without a tool call; truncated, and graded, after ``max_turns`` turns.
    ## Arguments
    ``tasks``, ``on_bad_row``, ``render_mode``: see `gym_llm.core.TextEnv`. ``require_lookup`` (bool,
    default False): see Reward; without it, values that the model computes itself are paid as well.
    ``max_turns`` (int or None, default 20).
    ## Data and licence
    ``tasks="generated"`` draws from a table of terms, synonyms and questions. The table and the bundled
    tasks are gym_llm's own (Apache 2.0). Rows with the columns of
    ``Nexusflow/SyntheticExampleMultiStep`` (gated) are converted.
    ## Version history
    - v0: first version.
    """

    row_model = MultiStepRow
    data = "multi_step"
    toolset = (get_synonym_value, extract_synonym_values)
    verifier_class = SynonymValues
    max_turns = 20
    adapt = staticmethod(adapt_columns)
    generate = staticmethod(generate_task)
