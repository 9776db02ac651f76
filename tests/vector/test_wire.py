"""Frames: what goes in comes out, through pipe and slab, whole or in pieces."""

import os
from typing import Any

import numpy as np
import pytest

from gym_llm.vector.wire import MAX_SLAB_BYTES, MIN_SLAB_BYTES, Reader, Slab, encode


def results(observations: list[Any], infos: list[dict[str, Any]]) -> tuple[Any, ...]:
    count = len(observations)
    return ("results", None, observations, [0.5] * count, [True] * count, [False] * count, infos, {})


MESSAGES = [
    pytest.param(("step", [1, 2], ["a", "ü\n" * 50]), id="texts"),
    pytest.param(("step", None, [np.int64(3), 4]), id="numbers"),
    pytest.param(("reset", None, [1, None], [None, {"task": 3}]), id="reset"),
    pytest.param(results(["x", "y"], [{}, {}]), id="no-infos"),
    pytest.param(results(["x", "y"], [{"a": {"b": [1]}}, {}]), id="infos"),
    pytest.param(results([], []), id="nothing"),
    pytest.param(results(["x"], [{"messages": ["m" * 300_000]}]), id="through-the-slab"),
    pytest.param(results(["x" * (MIN_SLAB_BYTES + 10)], [{}]), id="larger-than-the-slab"),
    pytest.param(results(["x"], [{"score": np.float64(0.5), "array": b"bytes"}]), id="numpy-number"),
]


@pytest.mark.parametrize("message", MESSAGES)
@pytest.mark.parametrize("piece", [7, 1 << 30])
def test_messages_come_out_as_they_went_in(message: tuple[Any, ...], piece: int) -> None:
    slab = Slab(1)
    reader = Reader(slab)
    for _ in range(2):
        frame = encode(message, slab)
        step = max(piece, len(frame) // 50)
        found: list[Any] = []
        read, write = os.pipe()
        os.set_blocking(write, False)
        try:
            rest = memoryview(frame)
            while rest:
                rest = rest[os.write(write, rest[: min(step, 60_000)]) :]
                found += reader.feed(read)
        finally:
            os.close(read)
            os.close(write)
        (got,) = found
        assert got == message
        assert list(map(type, got[-2] or ())) == list(map(type, message[-2] or ()))


def test_arrays_stay_arrays() -> None:
    slab = Slab(1)
    reader = Reader(slab)
    read, write = os.pipe()
    os.write(write, encode(results([np.arange(3.0)], [{"x": np.float64(2)}]), slab))
    (message,) = reader.feed(read)
    os.close(read)
    os.close(write)
    assert message[2][0].tolist() == [0.0, 1.0, 2.0]
    assert isinstance(message[6][0]["x"], np.float64)


def test_full_slab_sends_the_next_message_by_the_pipe() -> None:
    slab = Slab(1)
    first, second = (encode(("step", None, [c * 100_000]), slab) for c in "ab")
    assert len(first) < 100 < len(second)
    read, write = os.pipe()
    os.set_blocking(write, False)
    reader = Reader(slab)
    found = []
    for frame in (first, second):
        rest = memoryview(frame)
        while rest:
            rest = rest[os.write(write, rest[:60_000]) :]
            found += reader.feed(read)
    os.close(read)
    os.close(write)
    assert [m[2][0][0] for m in found] == ["a", "b"]
    assert len(encode(("step", None, ["c" * 100_000]), slab)) < 100


@pytest.mark.parametrize(("num_envs", "size"), [(1, MIN_SLAB_BYTES), (1 << 20, MAX_SLAB_BYTES)])
def test_a_slab_grows_with_the_environments_within_bounds(num_envs: int, size: int) -> None:
    slab = Slab(num_envs)
    assert slab.size == size
    assert slab.put(bytes(size))
    slab.free()
    assert not slab.put(bytes(size + 1))


def test_the_results_of_many_environments_fit_into_their_slab() -> None:
    page = "界" * 8_000
    assert len(encode(results([page] * 1024, [{}] * 1024), Slab(1024))) < 100


def test_where_memory_without_a_file_is_refused_a_slab_is_small(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(name: str) -> int:
        raise PermissionError("not allowed here")

    monkeypatch.setattr(os, "memfd_create", refuse)
    slab = Slab(1024)
    assert slab.size == MIN_SLAB_BYTES
    assert slab.put(b"message")
    assert bytes(slab.waiting(7)) == b"message"


def test_closed_pipe_is_the_end() -> None:
    read, write = os.pipe()
    os.close(write)
    with pytest.raises(EOFError):
        Reader(Slab(1)).feed(read)
    os.close(read)
