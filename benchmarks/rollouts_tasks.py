"""Task rows for all contenders, and what an ideal client makes of their latencies."""

import heapq
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from model_server import Latency, letter_for

HOW = "Think about each option first, then put the letter of the right one, alone, in \\boxed{}."


@dataclass(frozen=True)
class Rows:
    """A file of tasks, in the row form of NeMo Gym's ``mcqa`` server, and what is known of it."""

    path: Path
    prompts: Sequence[str]
    golds: Sequence[str]

    @property
    def right(self) -> int:
        """Tasks that the scripted endpoint answers rightly: every contender must count as many."""
        return sum(letter_for(p) == gold for p, gold in zip(self.prompts, self.golds, strict=True))

    def ideal_s(self, latency: Latency, concurrency: int, repeats: int = 1) -> float:
        """Return the time of a client that does nothing but wait (see `list_schedule`)."""
        return list_schedule([latency.seconds(p) for p in self.prompts] * repeats, concurrency)


def write_rows(path: Path, count: int, marks: Sequence[str] = ()) -> Rows:
    """Write the bundled questions as often as needed, each with a number of its own.

    Args:
        path: of the JSONL file.
        count: tasks.
        marks: texts that the first tasks end with, one each.
    """
    bundled = resources.files("gym_llm.envs").joinpath("knowledge/data/mcqa.jsonl").read_text()
    questions = [json.loads(line) for line in bundled.splitlines()]
    prompts, golds = [], []
    with path.open("w") as file:
        for number in range(count):
            question = questions[number % len(questions)]
            prompt = _prompt(number, question, marks[number] if number < len(marks) else "")
            message = {"role": "user", "content": prompt}
            row = {
                "responses_create_params": {"input": [message]},
                "options": question["options"],
                "expected_answer": question["expected_answer"],
                "grading_mode": "strict_single_letter_boxed",
            }
            file.write(json.dumps(row) + "\n")
            prompts.append(prompt)
            golds.append(question["expected_answer"])
    return Rows(path, prompts, golds)


def _prompt(number: int, question: dict[str, Any], mark: str) -> str:
    options = [f"{letter}: {text}" for pair in question["options"] for letter, text in pair.items()]
    lines = [f"Question {number}. {question['question']}", *options, HOW, mark]
    return "\n".join(line for line in lines if line)


def list_schedule(seconds: Iterable[float], slots: int) -> float:
    """Return when the last of some jobs ends if each begins, in order, as soon as a slot is free.

    >>> list_schedule([1.0, 2.0, 1.0, 1.0], 2)
    3.0
    """
    free = [0.0] * slots
    last = 0.0
    for duration in seconds:
        end = heapq.heappop(free) + duration
        last = max(last, end)
        heapq.heappush(free, end)
    return last
