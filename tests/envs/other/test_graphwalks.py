"""GraphWalks: the reward table of its specification, the adapter, the generator, and rows."""

import json
import time
from typing import Any

import gymnasium
import pytest

import gym_llm  # noqa: F401
from gym_llm.envs.other.graphwalks import GraphWalksEnv, adapt_graphwalks, generate_task, walk
from gym_llm.errors import RowError

ID = "gym_llm/GraphWalks-v0"


def row(*nodes: str, **fields: Any) -> dict[str, Any]:
    params = {"input": "Walk: x -> a\nx -> b"}
    return {"responses_create_params": params, "expected_answer": json.dumps(nodes), **fields}


def grade(task: dict[str, Any], response: str, **kwargs: Any) -> tuple[float, dict[str, Any]]:
    env = gymnasium.make(ID, tasks=[task], **kwargs)
    env.reset(seed=0)
    _, reward, terminated, _, info = env.step(response)
    assert terminated
    assert info["rewards"] == {"f1": reward}
    return reward, info["verification"].fields


@pytest.mark.parametrize(
    ("expected", "response", "reward", "nodes"),
    [
        pytest.param("ab", "x\nFinal Answer: [a, b]", 1.0, ["a", "b"], id="right"),
        pytest.param("ab", "Final Answer: [a, c, d]", 0.4, ["a", "c", "d"], id="some"),
        pytest.param("ab", "Final Answer: [a, b]\nDone.", 0.0, None, id="not-the-last-line"),
        pytest.param("", "Final Answer: []", 1.0, [], id="rightly-empty"),
        pytest.param("a", "Final Answer: []", 0.0, [], id="wrongly-empty"),
        pytest.param("", "Final Answer: [a]", 0.0, ["a"], id="should-be-empty"),
        pytest.param("ab", "Final Answer: ['a', 'b']", 0.0, ["'a'", "'b'"], id="quotes-stay"),
        pytest.param("ab", "", 0.0, None, id="empty"),
        pytest.param("ab", "Final Answer: [a, b]\n \n", 1.0, ["a", "b"], id="blank-lines-after"),
        pytest.param("ab", "final answer: [a, b]", 0.0, None, id="case"),
        pytest.param(
            "ab", "So **Final Answer:[b,, a , a]**.", 1.0, ["b", "a", "a"], id="within-the-line"
        ),
        pytest.param("ab", "Final Answer: [a] or [b]", 0.0, ["a] or [b"], id="up-to-the-last-bracket"),
        pytest.param("ab", "Final Answer: [a, b", 0.0, None, id="unclosed"),
        pytest.param("ab", "] Final Answer: [a, b", 0.0, None, id="closed-before"),
        pytest.param("ab", "Final Answer: a, b", 0.0, None, id="no-list"),
    ],
)
def test_reward(expected: str, response: str, reward: float, nodes: list[str] | None) -> None:
    got, fields = grade(row(*expected), response)
    assert got == pytest.approx(reward)
    assert fields == {"f1": got, "parse_failed": nodes is None, "predicted_nodes": nodes or []}


def test_quotes_are_removed_on_demand() -> None:
    assert grade(row("a", "b"), "Final Answer: ['a', \"b\"]", strip_quotes=True)[0] == 1.0


@pytest.mark.parametrize("unit", ["Final Answer: [", "Final Answer:    ", "a,", "]", "\n"])
def test_long_responses_are_graded_in_linear_time(unit: str) -> None:
    started = time.monotonic()
    grade(row("a"), unit * (1_000_000 // len(unit)))
    assert time.monotonic() - started < 10  # a bound against quadratic time, not a measurement


@pytest.mark.parametrize("answer", ["[a]", "", "{}", "[1]", "[" * 100_000])
def test_unreadable_answer_is_refused(answer: str) -> None:
    with pytest.raises(RowError, match="expected_answer: expected the JSON text of a list of texts"):
        gymnasium.make(ID, tasks=[{**row(), "expected_answer": answer}])


def test_operation_must_be_known_to_build_a_prompt() -> None:
    task = {"edges": ["a -> b"], "node": "a", "problem_type": "dfs", "expected_answer": "[]"}
    with pytest.raises(RowError, match="problem_type: expected 'bfs' or 'parents', got 'dfs'"):
        gymnasium.make(ID, tasks=[task])


EDGES = [("a", "b"), ("b", "c"), ("a", "c"), ("c", "d"), ("d", "a"), ("b", "b")]


@pytest.mark.parametrize(
    ("kind", "node", "depth", "nodes"),
    [
        ("bfs", "a", 1, {"b", "c"}),
        ("bfs", "a", 2, {"d"}),
        ("bfs", "a", 3, set()),
        ("bfs", "a", 0, {"a"}),
        ("parents", "c", 1, {"a", "b"}),
        ("parents", "b", 1, {"a"}),
    ],
)
def test_walk(kind: str, node: str, depth: int, nodes: set[str]) -> None:
    assert walk(EDGES, kind, node, depth) == nodes


def test_bundled_answers_are_those_of_the_graph() -> None:
    for task in GraphWalksEnv().tasks:
        edges = [tuple(edge.split(" -> ")) for edge in task.row.edges]
        assert task.row.nodes == walk(edges, task.row.problem_type, task.row.node, task.row.depth)


def test_generated_tasks_depend_on_the_index_alone() -> None:
    assert generate_task(5) == generate_task(5) != generate_task(6)
    env = gymnasium.make(ID, tasks="generated")
    observation, info = env.reset(options={"task": 5})
    assert generate_task(5)["edges"][0] in observation
    assert info["task_id"] == "graphwalks-generated-5"
    assert env.step(generate_task(5)["reference"][0])[1] == 1.0


def test_hub_rows_get_the_exact_depth_wording() -> None:
    prompt = "e.g. Perform a BFS from node x with depth 1.\nPerform a BFS from node 4f with depth 3."
    hub = {"prompt": prompt, "answer_nodes": ["b", "a"], "problem_type": "bfs", "prompt_chars": 9}
    adapted = adapt_graphwalks(hub, 7)
    assert adapted["task_id"] == "graphwalks-exact_depth-7"
    assert adapted["expected_answer"] == '["a", "b"]'
    text = adapted["responses_create_params"]["input"]
    assert "from node 4f and give only the nodes at depth 3 exactly" in text
    assert "with depth" not in text


def test_hub_rows_lose_the_node_among_its_own_parents() -> None:
    prompt = "Find the parents of node x.\nFind the parents of node b.\n"
    hub = {"prompt": prompt, "answer_nodes": ["b", "a", "x"], "problem_type": "parents"}
    env = gymnasium.make(ID, tasks=[hub])
    env.reset(seed=0)
    assert env.step("Final Answer: [a, x]")[1] == 1.0
