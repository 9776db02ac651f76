"""The rows as a task of inspect-ai, for ``inspect eval inspect_task.py -T rows=FILE``."""

import json
import re
from pathlib import Path

from inspect_ai import Task, task
from inspect_ai.dataset import MemoryDataset, Sample
from inspect_ai.model import ChatMessageUser
from inspect_ai.scorer import Score, Scorer, Target, accuracy, scorer
from inspect_ai.solver import TaskState, generate

BOXED = re.compile(r"\\boxed\{([A-Z])\}")


@scorer(metrics=[accuracy()])
def correct() -> Scorer:
    """1.0 for the right letter in the last box."""

    async def score(state: TaskState, target: Target) -> Score:
        found = BOXED.findall(state.output.completion)
        return Score(value=float(bool(found) and found[-1] == target.text))

    return score


@task
def mcqa(rows: str) -> Task:
    """Read the rows."""
    samples = []
    for line in Path(rows).read_text().splitlines():
        row = json.loads(line)
        (message,) = row["responses_create_params"]["input"]
        prompt = [ChatMessageUser(content=message["content"])]
        samples.append(Sample(input=[*prompt], target=row["expected_answer"]))
    return Task(dataset=MemoryDataset(samples), solver=generate(), scorer=correct())
