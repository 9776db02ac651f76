"""Files of NVIDIA NeMo Gym: rollouts read and written, and its metrics under its own names.

A rollout file has one JSON object a line: the reward, the model's ``response`` in the form of OpenAI's
Responses API, what it was asked, and beside them whatever the verifier reports. Rows that failed stand
in a file of their own.
"""

from gym_llm.rollouts.nemo.metrics import (
    aggregate_metrics,
    highest_k,
    pass_majority_metrics,
    read_aggregate,
    subset_metrics,
)
from gym_llm.rollouts.nemo.reading import read_rollouts, rollout_from_row
from gym_llm.rollouts.nemo.rows import read_rows
from gym_llm.rollouts.nemo.writing import row_from_rollout, write_rollouts

__all__ = [
    "aggregate_metrics",
    "highest_k",
    "pass_majority_metrics",
    "read_aggregate",
    "read_rollouts",
    "read_rows",
    "rollout_from_row",
    "row_from_rollout",
    "subset_metrics",
    "write_rollouts",
]
