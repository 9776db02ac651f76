"""A list of nodes in the last line of the answer, graded by F1."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from gym_llm.scores import Score, mean_by, number, task_mean
from gym_llm.tasks import Task
from gym_llm.verification import Episode, Verification

_FINAL = re.compile(r"Final Answer:\s*\[")


def parse_nodes(text: str, strip_quotes: bool = False) -> list[str] | None:
    r"""Return the nodes of the last line that is not blank; None when it holds no list.

    >>> parse_nodes("Done.\nFinal Answer: [a, b]")
    ['a', 'b']
    """
    line = text.rstrip().rpartition("\n")[2]
    opening = _FINAL.search(line)
    closing = line.rfind("]")
    if opening is None or closing < opening.end():
        return None
    nodes = [node.strip() for node in line[opening.end() : closing].split(",")]
    return [node for node in (n.strip("'\"") if strip_quotes else n for n in nodes) if node]


def f1_score(expected: frozenset[str], predicted: frozenset[str]) -> float:
    """Return the harmonic mean of precision and recall; 1.0 when both sets are empty."""
    if not expected and not predicted:
        return 1.0
    return 2 * len(expected & predicted) / (len(expected) + len(predicted))


@dataclass(frozen=True)
class NodeListF1:
    """F1 of the nodes of the ``Final Answer:`` line against the row's; 0.0 without such a line.

    The task's row has ``nodes``, a frozenset of texts.
    """

    strip_quotes: bool = False
    """Remove quotes around nodes; otherwise quoted nodes are wrong."""

    components = ("f1",)

    def __call__(self, task: Task, episode: Episode) -> Verification:
        """Grade the text of the whole episode."""
        nodes = parse_nodes(episode.text("all"), self.strip_quotes)
        f1 = 0.0 if nodes is None else f1_score(task.row.nodes, frozenset(nodes))
        return Verification.of("f1", f1, f1=f1, parse_failed=nodes is None, predicted_nodes=nodes or [])

    @staticmethod
    def metrics(scores: Sequence[Score]) -> dict[str, float | None]:
        """Return the share of answers without a list, and the mean F1 by operation."""
        return {
            "parse_failed": task_mean(scores, number("parse_failed")),
            **mean_by(scores, ["problem_type"]),
        }
