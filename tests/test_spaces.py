"""The text space: membership, pickles, batches, shared memory."""

import copy
import pickle

import gymnasium
import pytest
from gymnasium.vector.utils import (
    batch_space,
    create_shared_memory,
    read_from_shared_memory,
    write_to_shared_memory,
)
from hypothesis import given
from hypothesis import strategies as st

from gym_llm.spaces import Text


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_any_unicode_text_is_inside(text: str) -> None:
    assert text in Text()


@pytest.mark.parametrize(
    "value", ["\ud800", 3, None, b"x", "x" * 11], ids=["surrogate", "int", "none", "bytes", "long"]
)
def test_outside(value: object) -> None:
    assert value not in Text(max_length=10)


def test_samples_are_inside_and_seeded() -> None:
    one, two = Text(seed=4), Text(seed=4)
    samples = [one.sample() for _ in range(20)]
    assert samples == [two.sample() for _ in range(20)]
    assert all(s in one for s in samples)
    assert "" in [Text(max_length=0).sample()]


def test_mask_is_refused() -> None:
    with pytest.raises(NotImplementedError):
        Text().sample(mask=(1, None))


def test_pickle_and_copy_are_small_and_equal() -> None:
    space = Text(seed=1)
    assert len(pickle.dumps(Text())) < 500
    assert pickle.loads(pickle.dumps(space)) == copy.deepcopy(space) == space
    assert space != Text(5)
    assert space != gymnasium.spaces.Text(5)


def test_batch_is_a_tuple_of_texts() -> None:
    batch = batch_space(Text(), 3)
    assert isinstance(batch, gymnasium.spaces.Tuple)
    assert ("a", "é", "") in batch


def test_flatten_round_trip() -> None:
    space = Text(max_length=8)
    flat = gymnasium.spaces.flatten(space, "aé🙂")
    assert gymnasium.spaces.unflatten(space, flat) == "aé🙂"
    assert not space.is_np_flattenable


def test_shared_memory_shows_the_text_of_the_moment() -> None:
    space = Text(max_length=100)
    memory = create_shared_memory(space, n=2)
    texts = read_from_shared_memory(space, memory, n=2)
    write_to_shared_memory(space, 1, "grüße 🙂", memory)
    before = copy.deepcopy(texts)
    write_to_shared_memory(space, 1, "", memory)
    assert before == ("", "grüße 🙂")
    assert tuple(texts) == ("", "")
    assert texts[-1] == ""
    assert texts[0:2] == ("", "")
    with pytest.raises(IndexError):
        texts[2]


def test_text_beyond_its_slot_is_an_error() -> None:
    space = Text(max_length=2)
    with pytest.raises(ValueError, match="does not fit"):
        write_to_shared_memory(space, 0, "x" * 9, create_shared_memory(space, n=1))
