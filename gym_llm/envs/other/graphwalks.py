"""GraphWalks: follow the edges of a long list; F1 over the nodes found (single turn)."""

import json
import random
import re
from collections.abc import Iterable, Sequence
from typing import Any, ClassVar

import pydantic

from gym_llm.core import QuestionEnv
from gym_llm.messages import Message, message_text
from gym_llm.tasks import HubSplit, RawRow, Row
from gym_llm.verifiers.node_list import NodeListF1

Edge = tuple[str, str]

SIZES = (20, 60, 200, 600, 2000)
"""Numbers of edges of generated graphs."""
_OLD_BFS = re.compile(r"Perform a BFS from node (\S+) with depth (\d+)")
_PARENTS = re.compile(r"Find the parents of node (\S+?)\.(?:\s|$)")
_TARGET = re.compile(r"-> (\w+)")
_EXAMPLE: Sequence[Edge] = (("ash", "elm"), ("ash", "fir"), ("elm", "oak"), ("fir", "elm"))


class GraphWalksRow(Row):
    """An operation on a graph; NeMo Gym's rows carry the prompt, bundled rows the edges."""

    expected_answer: str
    """JSON text of the list of nodes."""
    problem_type: str | None = None
    edges: list[str] | None = None
    """Each as ``"a -> b"``, for rows without a prompt; then ``node`` and ``problem_type`` are needed."""
    node: str | None = None
    depth: int = 1

    _nodes: frozenset[str] = pydantic.PrivateAttr(default=frozenset())

    @pydantic.model_validator(mode="after")
    def _read_expected_answer(self) -> "GraphWalksRow":
        try:
            nodes = json.loads(self.expected_answer)
        except (ValueError, RecursionError):
            nodes = None
        if not isinstance(nodes, list) or not all(isinstance(node, str) for node in nodes):
            shown = self.expected_answer[:100]
            raise ValueError(
                f"expected_answer: expected the JSON text of a list of texts, got {shown!r}"
            )
        self._nodes = frozenset(nodes)
        return self

    @property
    def nodes(self) -> frozenset[str]:
        """The right nodes."""
        return self._nodes

    def default_prompt(self) -> list[Message] | None:
        """Return the task's rules, a solved example, the edges and the operation."""
        if self.edges is None or self.node is None:
            return None
        if self.problem_type not in ("bfs", "parents"):
            raise ValueError(f"problem_type: expected 'bfs' or 'parents', got {self.problem_type!r}")
        example = "\n".join(
            [
                "Edges:",
                *map(" -> ".join, _EXAMPLE),
                operation("bfs", "ash", 2),
                final_answer(walk(_EXAMPLE, "bfs", "ash", 2)),
                operation("parents", "elm", 1),
                final_answer(walk(_EXAMPLE, "parents", "elm", 1)),
            ]
        )
        asked = operation(self.problem_type, self.node, self.depth)
        how = "Work it out, then end with one line: Final Answer: [node, node, ...]. No node: []."
        edges = "\n".join(["Edges:", *self.edges])
        parts = [
            "Here is a directed graph, one edge a line, and a question about it.",
            f"An example first.\n{example}",
            f"Now your graph.\n{edges}",
            f"{asked}\n{how}",
        ]
        return [{"role": "user", "content": "\n\n".join(parts)}]


def operation(kind: str, node: str, depth: int) -> str:
    """Return the question in words."""
    if kind == "parents":
        return f"Which nodes other than {node} have an edge to {node}?"
    return f"Which nodes are at a distance of exactly {depth} from {node}, counted in edges?"


def final_answer(nodes: Iterable[str]) -> str:
    """Return the last line of an answer."""
    return f"Final Answer: [{', '.join(sorted(nodes))}]"


def walk(edges: Iterable[Edge], kind: str, node: str, depth: int) -> set[str]:
    """Return the parents of a node, or the nodes whose shortest path from it has ``depth`` edges."""
    edges = list(edges)
    if kind == "parents":
        return {start for start, end in edges if end == node} - {node}
    after: dict[str, list[str]] = {}
    for start, end in edges:
        after.setdefault(start, []).append(end)
    seen = front = {node}
    for _ in range(depth):
        front = {end for start in front for end in after.get(start, ())} - seen
        seen = seen | front
    return front


def generate_task(index: int) -> RawRow:
    """Return a random graph and an operation on it, for one index."""
    rng = random.Random(index)
    size = rng.choice(SIZES)
    names = [f"{rng.getrandbits(40):010x}" for _ in range(max(6, size // 2))]
    edges = [(rng.choice(names), rng.choice(names)) for _ in range(size)]
    kind = rng.choice(("bfs", "parents"))
    start, end = rng.choice(edges)
    node, depth = (end, 1) if kind == "parents" else (start, rng.randint(1, 4))
    answer = sorted(walk(edges, kind, node, depth))
    return {
        "task_id": f"graphwalks-generated-{index}",
        "edges": [" -> ".join(edge) for edge in edges],
        "node": node,
        "depth": depth,
        "problem_type": kind,
        "expected_answer": json.dumps(answer),
        "reference": [final_answer(answer)],
    }


def adapt_graphwalks(raw: RawRow, index: int) -> RawRow:
    """Convert the Hub's columns, with the two corrections that NeMo Gym makes."""
    if "answer_nodes" not in raw:
        return raw
    prompt, nodes = str(raw["prompt"]), sorted(raw.pop("answer_nodes"))
    asked = _PARENTS.findall(prompt)
    if raw.get("problem_type") == "parents" and asked and asked[-1] in nodes:
        nodes.remove(asked[-1])
    exact = r"Perform a BFS from node \1 and give only the nodes at depth \2 exactly, none before it"
    return {
        # The original wording asks for something else: scores of the two versions do not compare.
        "task_id": f"graphwalks-exact_depth-{index}",
        **{key: value for key, value in raw.items() if key != "prompt"},
        "responses_create_params": {"input": _OLD_BFS.sub(exact, prompt)},
        "expected_answer": json.dumps(nodes),
    }


class GraphWalksEnv(QuestionEnv):
    """Name the nodes that an operation on a graph of many edges gives.

    ## Description
    Each task is a directed graph as a list of edges, and one operation: the parents of a node, or the
    nodes at exactly some depth of a breadth-first search.
    ## Observation
    ``str``: the row's prompt; for rows with ``edges``, a solved example, the edges and the question.
    ## Action
    ``str``: the assistant's text, ending with a line ``Final Answer: [node, node]``.
    ## Reward
    F1 of the set of nodes in that line, 0.0 to 1.0; 1.0 when it is rightly empty, 0.0 when the last line
    that is not blank holds no such list. ``info["rewards"]`` has ``f1``.
    ``info["verification"].fields``: ``f1``, ``parse_failed`` (bool), ``predicted_nodes`` (list). Nodes
    are separated by commas and keep their quotes; the list ends at the last bracket of the line.

    Differs from NeMo Gym: a row whose ``expected_answer`` cannot be read is refused; there it stands for
    no nodes, so that ``[]`` earns 1.0.
    ## Episode end
    Terminates after one step; never truncates.
    ## Arguments
    ``tasks``, ``on_bad_row``, ``render_mode``: see `gym_llm.core.TextEnv`. ``strip_quotes`` (bool,
    default False): remove quotes around nodes.
    ## Data and licence
    Split ``train``: ``openai/graphwalks`` (MIT), corrected as NeMo Gym does: a breadth-first search
    wants the nodes at exactly its depth, and a node is not its own parent; task ids name this version.
    ``tasks="generated"``: random graphs of 20 to 2000 edges. The bundled tasks are gym_llm's own
    (Apache 2.0).
    ## Version history
    - v0: first version.
    """

    row_model = GraphWalksRow
    data = "graphwalks"
    splits: ClassVar[dict[str, HubSplit]] = {"train": HubSplit("openai/graphwalks", split="train")}
    verifier_class = NodeListF1
    adapt = staticmethod(adapt_graphwalks)
    generate = staticmethod(generate_task)

    def example_actions(self) -> list[str]:
        """Return no node, and a few nodes of the prompt."""
        row: Any = self.episode.task.row
        prompt = message_text(row.messages[-1]) if row.messages else ""
        nodes = list(dict.fromkeys(_TARGET.findall(prompt[-2000:])))[:4]
        return [final_answer(nodes[:count]) for count in range(len(nodes) + 1)]
