"""Multi-step: the reward table, lookups, rows, and the table of synonyms."""

import json
from typing import Any

import gymnasium
import pytest

import gym_llm
from gym_llm.envs.example.multi_step import generate_task, synonym_table, synonym_value
from gym_llm.errors import RowError

ID = "gym_llm/ExampleMultiStep-v0"
ROW: dict[str, Any] = {
    "id": 0,
    "responses_create_params": {"input": "How do lizards live in the desert?"},
    "expected_synonyms": ["Warm", "Torrid"],
    "expected_synonym_values": [407, 520],
    "minefield_label": "Hot",
    "minefield_label_value": 299,
}


def call(name: str, arguments: Any) -> gym_llm.ToolCall:
    return gym_llm.ToolCall(name, arguments if isinstance(arguments, str) else json.dumps(arguments))


def get(*synonyms: Any) -> str:
    return gym_llm.encode_action("", [call("get_synonym_value", {"synonym": s}) for s in synonyms])


def raw(arguments: Any) -> str:
    return gym_llm.encode_action("", [call("extract_synonym_values", arguments)])


def submit(*values: Any) -> str:
    return raw({"synonym_values": values})


def play(actions: list[str], **kwargs: Any) -> tuple[float, dict[str, Any], list[str]]:
    env = gymnasium.make(ID, tasks=[ROW], **kwargs)
    env.reset(seed=0)
    seen = []
    for action in [*actions, ""]:
        observation, reward, terminated, _, info = env.step(action)
        seen.append(observation)
        if terminated:
            break
    return float(reward), info["verification"].fields, seen


def fields(
    parsed: list[int],
    overlap: float,
    minefield: bool = False,
    order: bool = False,
    permutation: bool = False,
) -> dict[str, Any]:
    return {
        "parsed_synonym_values": parsed,
        "set_overlap": overlap,
        "original_term_minefield_hit": minefield,
        "order_instruction_following_failure": order,
        "is_permutation": permutation,
    }


RIGHT = fields([407, 520], 1.0, permutation=True)


@pytest.mark.parametrize(
    ("actions", "reward", "expected"),
    [
        pytest.param([get("Warm"), get("Torrid"), submit(407, 520), "done"], 1.0, RIGHT, id="right"),
        pytest.param(
            [submit(520, 407)], 0.0, fields([520, 407], 1.0, order=True, permutation=True), id="order"
        ),
        pytest.param(
            [submit(407, 520), submit(407)], 0.0, fields([407], 0.5), id="last-submission-counts"
        ),
        pytest.param([submit(407), submit(407, 520)], 1.0, RIGHT, id="corrected"),
        pytest.param(
            [submit(407, 407, 520)], 0.0, fields([407, 407, 520], 1.0, order=True), id="repeated"
        ),
        pytest.param([submit(1, 407, 520)], 0.0, fields([1, 407, 520], 1.0, order=True), id="superset"),
        pytest.param([submit(299)], 0.0, fields([299], 0.0, minefield=True), id="value-of-the-term"),
        pytest.param([submit("Hot")], 0.0, fields([], 0.0, minefield=True), id="the-term-itself"),
        pytest.param(["[407, 520]"], 0.0, fields([], 0.0), id="text-is-not-read"),
        pytest.param([submit("407", "520")], 0.0, fields([407, 520], 0.0), id="numeric-strings"),
        pytest.param([submit(407.0, 520.0)], 1.0, RIGHT, id="whole-floats"),
        pytest.param([raw('{"synonym_values": [407, 520')], 0.0, fields([], 0.0), id="cut-json"),
        pytest.param([raw([407, 520])], 0.0, fields([], 0.0), id="arguments-no-object"),
        pytest.param([raw({"values": [407, 520]})], 0.0, fields([], 0.0), id="missing-key"),
        pytest.param([raw({"synonym_values": None})], 0.0, fields([], 0.0), id="null"),
        pytest.param([submit(407, None)], 0.0, fields([], 0.0), id="null-value"),
        pytest.param([submit([407], [520])], 0.0, fields([], 0.0), id="nested-lists"),
        pytest.param([submit(407.5, 520)], 0.0, fields([], 0.0), id="fraction"),
        pytest.param([submit()], 0.0, fields([], 0.0), id="empty-list"),
        pytest.param([submit(407, 520), raw("{")], 0.0, fields([], 0.0), id="malformed-last"),
    ],
)
def test_reward(actions: list[str], reward: float, expected: dict[str, Any]) -> None:
    found, reported, _ = play(actions)
    assert found == reward
    assert {name: reported[name] for name in expected} == expected
    assert reported["accuracy"] == (reward == 1.0)


def test_true_equals_one() -> None:
    row = {**ROW, "expected_synonyms": ["a"], "expected_synonym_values": [1]}
    env = gymnasium.make(ID, tasks=[row])
    env.reset(seed=0)
    env.step(submit(True))
    assert env.step("")[1] == 1.0


def test_tools_answer_in_the_documented_form() -> None:
    _, _, seen = play([get("Warm", "Torrid", "Hot", "", " a"), get(5), submit(1), submit("x")])
    values = [json.loads(text)["synonym_value"] for text in seen[0].split("\n\n")]
    assert values == [407, 628, 299, 0, 129]
    assert "synonym: Input should be a valid string" in seen[1]
    assert seen[2] == '{"success": true}'
    assert "invalid arguments" in seen[3]


@pytest.mark.parametrize(
    ("actions", "reward"),
    [
        pytest.param([get("Warm"), get("Torrid"), submit(407, 520)], 1.0, id="looked-up"),
        pytest.param([submit(407, 520)], 0.0, id="guessed"),
        pytest.param([get("Warm"), submit(407, 520)], 0.0, id="one-was-guessed"),
        pytest.param([get("warm", "torrid"), submit(407, 520)], 0.0, id="case-counts"),
        pytest.param([submit(407, 520), get("Warm", "Torrid")], 0.0, id="afterwards"),
        pytest.param([get(["Warm"], "Torrid"), submit(407, 520)], 0.0, id="failed-lookup"),
    ],
)
def test_require_lookup(actions: list[str], reward: float) -> None:
    found, reported, _ = play(actions, require_lookup=True)
    assert found == reward
    assert reported["accuracy"]
    assert reported["looked_up"] == (reward == 1.0)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        pytest.param(
            {"expected_synonym_values": []}, "expected_synonym_values: List should", id="empty"
        ),
        pytest.param({"expected_synonym_values": [1]}, "1 values for 2 synonyms", id="lengths"),
        pytest.param(
            {"expected_synonym_values": ["a", 2]}, "expected_synonym_values.0", id="no-integer"
        ),
        pytest.param({"minefield_label": None}, "minefield_label: Input should be", id="no-label"),
    ],
)
def test_bad_rows_are_refused(change: dict[str, Any], reason: str) -> None:
    with pytest.raises(RowError, match=reason):
        gymnasium.make(ID, tasks=[{**ROW, **change}])


@pytest.mark.parametrize("name", [key for key in ROW if key != "responses_create_params"])
def test_every_field_of_a_row_is_needed(name: str) -> None:
    with pytest.raises(RowError, match=f"{name}: Field required"):
        gymnasium.make(ID, tasks=[{key: value for key, value in ROW.items() if key != name}])


def test_columns_of_the_public_data_set_are_converted() -> None:
    row = {
        "query": "How do lizards live in the desert?",
        "ground_truth_labels": ["Warm", "Torrid"],
        "ground_truth_values": [407, 628],
        "intended_label": "Hot",
        "intended_label_value": 299,
    }
    env = gymnasium.make(ID, tasks=[row])
    observation, _ = env.reset(seed=0)
    assert 0 < observation.index("Hot: Warm\n") < observation.index("Hot: Torrid\n")
    env.step(submit(407, 628))
    assert env.step("")[1] == 1.0


def test_prompt_lists_all_synonyms_and_the_expected_ones_in_order() -> None:
    env = gymnasium.make(ID, tasks="generated")
    for index in range(100):
        observation, _ = env.reset(options={"task": index})
        row = generate_task(index)
        term = row["minefield_label"]
        listed = [
            line.removeprefix(f"{term}: ") for line in observation.split("\n") if line.startswith(term)
        ]
        assert listed == row["expected_synonyms"]
        assert row["query"] in observation
        for entry in synonym_table():
            assert all(f"{entry['term']}: {synonym}\n" in observation for synonym in entry["synonyms"])


def test_generated_tasks_are_solved_by_their_reference_with_lookups() -> None:
    env = gymnasium.make(ID, tasks="generated", require_lookup=True)
    for index in range(50):
        env.reset(options={"task": index})
        for action in generate_task(index)["reference"]:
            reward = env.step(action)[1]
        assert reward == 1.0


def test_table_has_no_ambiguous_value_or_word() -> None:
    table = synonym_table()
    terms = [entry["term"] for entry in table]
    synonyms = [synonym for entry in table for synonym in entry["synonyms"]]
    assert len(table) >= 25
    assert len({word.lower() for word in [*terms, *synonyms]}) == len(terms) + len(synonyms)
    for entry in table:
        assert 2 <= len(entry["synonyms"]) <= 3
        values = [synonym_value(word) for word in [entry["term"], *entry["synonyms"]]]
        assert len(set(values)) == len(values)


def test_queries_do_not_name_a_term_or_synonym() -> None:
    for entry in synonym_table():
        words = {word.strip(".,?!").lower() for query in entry["queries"] for word in query.split()}
        assert not words & {word.lower() for word in [entry["term"], *entry["synonyms"]]}, entry["term"]
