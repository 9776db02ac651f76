"""Vector infos: Gymnasium's form when read as a dict, the plain infos for free."""

import copy
import json
import pickle
from typing import Any

import gymnasium
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gym_llm.vector import VectorInfos
from gym_llm.vector.infos import aggregate


class Plain(gymnasium.vector.VectorEnv[Any, Any, Any]):
    """Only for Gymnasium's own aggregation."""

    def __init__(self, num_envs: int) -> None:
        self.num_envs = num_envs

    def aggregate(self, infos: list[dict[str, Any]]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for number, info in enumerate(infos):
            found = self._add_info(found, info, number)
        return found


def same(ours: Any, theirs: Any) -> bool:
    if isinstance(theirs, dict):
        return set(ours) == set(theirs) and all(same(ours[k], theirs[k]) for k in theirs)
    return ours.dtype == theirs.dtype and ours.tolist() == theirs.tolist()


INFOS = st.lists(
    st.fixed_dictionaries(
        {},
        optional={
            "count": st.integers(-5, 5),
            "score": st.floats(allow_nan=False),
            "done": st.booleans(),
            "name": st.text(max_size=3),
            "messages": st.lists(st.text(max_size=2), max_size=2),
            "nothing": st.none(),
            "rewards": st.fixed_dictionaries({"a": st.floats(allow_nan=False)}),
        },
    ),
    min_size=1,
    max_size=5,
)


@given(INFOS)
def test_well_behaved_infos_read_as_gymnasium_has_them(infos: list[dict[str, Any]]) -> None:
    assert same(VectorInfos(infos), Plain(len(infos)).aggregate(infos))


@pytest.mark.parametrize(
    ("values", "expected", "kind"),
    [
        pytest.param([1, 0.5], [1.0, 0.5], "f", id="int-then-float"),
        pytest.param([True, 0.5], [True, 0.5], "O", id="bool-then-float"),
        pytest.param([1, "x"], [1, "x"], "O", id="int-then-text"),
        pytest.param([1.5, None], [1.5, None], "O", id="float-then-none"),
        pytest.param([None, 2], [None, 2], "O", id="none-then-int"),
        pytest.param([1, {"a": 1}], [1, {"a": 1}], "O", id="int-then-dict"),
        pytest.param([{"a": 1}, 1], [{"a": 1}, 1], "O", id="dict-then-int"),
        pytest.param([2**70, 1], [2**70, 1], "O", id="more-than-64-bits"),
    ],
)
def test_mixed_values_are_kept(values: list[Any], expected: list[Any], kind: str) -> None:
    column = VectorInfos([{"x": value} for value in values])["x"]
    assert column.tolist() == expected
    assert column.dtype.kind == kind


def test_arrays_of_one_shape_are_stacked_others_kept() -> None:
    infos = VectorInfos([{"x": np.arange(2)}, {}, {"x": np.arange(2)}])
    assert infos["x"].tolist() == [[0, 1], [0, 0], [0, 1]]
    ragged = VectorInfos([{"x": np.arange(2)}, {"x": np.arange(3)}])["x"]
    assert [x.tolist() for x in ragged] == [[0, 1], [0, 1, 2]]


def test_masks_say_who_reported() -> None:
    infos = VectorInfos([{"a": 1}, {}, {"a": 2, "b": "x"}])
    assert infos["_a"].tolist() == [True, False, True]
    assert infos["b"].tolist() == [None, None, "x"]


def test_every_way_of_reading_sees_the_content() -> None:
    raw = [{"a": 1}, {"a": 2}]
    full = aggregate(raw)
    assert set(dict(VectorInfos(raw))) == set(full)
    assert set({**VectorInfos(raw)}) == set(full)
    assert list(VectorInfos(raw)) == list(full)
    assert len(VectorInfos(raw)) == 2
    assert "a" in VectorInfos(raw)
    assert VectorInfos(raw).get("zzz", 7) == 7
    assert VectorInfos(raw).pop("a").tolist() == [1, 2]
    assert set(copy.copy(VectorInfos(raw))) == set(full)
    assert json.dumps(VectorInfos(raw), default=str).startswith('{"a"')
    assert "array" in repr(VectorInfos(raw))
    assert set(VectorInfos(raw) | {"z": 1}) == {*full, "z"}
    assert bool(VectorInfos(raw))


@pytest.mark.parametrize(
    "copied", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))], ids=["copy", "pickle"]
)
def test_copies_keep_both_views(copied: Any) -> None:
    infos = VectorInfos([{"a": 1}], {"env_id": 3})
    infos["more"] = "x"
    twin = copied(infos)
    assert twin.per_env() == [{"a": 1}]
    assert (twin["a"].tolist(), twin["more"], twin["env_id"]) == ([1], "x", 3)


def test_infos_of_the_environments_are_the_very_ones() -> None:
    raw = [{"a": 1}, {"b": 2}]
    assert VectorInfos(raw).per_env() is raw
