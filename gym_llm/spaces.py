"""The text space: any Unicode text up to a length, cheap to check, copy, pickle and batch."""

import copy
import struct
from collections.abc import Iterator, Sequence
from multiprocessing.heap import BufferWrapper
from typing import Any

import gymnasium
import numpy as np
from gymnasium.vector.utils import (
    batch_space,
    create_shared_memory,
    read_from_shared_memory,
    write_to_shared_memory,
)

PRINTABLE = "".join(map(chr, range(32, 127)))
_HEADER = struct.Struct("<Q")


class _Unicode:
    """All Unicode characters, in the role of Gymnasium's character list, set and index."""

    def __len__(self) -> int:
        return 0x110000

    def __contains__(self, char: object) -> bool:
        return isinstance(char, str) and len(char) == 1

    def __getitem__(self, key: Any) -> Any:
        return ord(key) if isinstance(key, str) else chr(key)

    def __iter__(self) -> Iterator[str]:
        return map(chr, range(len(self)))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Unicode)

    def __hash__(self) -> int:
        return hash(_Unicode)


_UNICODE = _Unicode()


class Text(gymnasium.spaces.Text):
    """All strings of 0 to ``max_length`` characters that can be written as UTF-8.

    Differs from ``gymnasium.spaces.Text`` in what a charset costs: nothing is enumerated, so membership
    of 100,000 characters takes microseconds and a pickle has a few hundred bytes. ``sample`` draws short
    printable
    text: samples are for smoke tests, not for coverage.

    Args:
        max_length: largest number of characters.
        seed: seed of ``sample``.
    """

    def __init__(self, max_length: int = 1 << 22, seed: int | np.random.Generator | None = None) -> None:
        self.min_length = 0
        self.max_length = int(max_length)
        self._char_set: Any = _UNICODE
        self._char_list: Any = _UNICODE
        self._char_index: Any = _UNICODE
        self._char_str = PRINTABLE
        gymnasium.Space.__init__(self, dtype=str, seed=seed)

    def sample(self, mask: Any = None, probability: Any = None) -> str:
        """Draw up to 32 printable characters; ``mask`` and ``probability`` are not supported."""
        if mask is not None or probability is not None:
            raise NotImplementedError("gym_llm.spaces.Text samples without mask and probability")
        length = int(self.np_random.integers(0, min(32, self.max_length) + 1))
        return "".join(PRINTABLE[i] for i in self.np_random.integers(0, len(PRINTABLE), size=length))

    def contains(self, x: Any) -> bool:
        """Return whether ``x`` is a str of the right length without lone surrogates."""
        if not isinstance(x, str) or len(x) > self.max_length:
            return False
        if x.isascii():
            return True
        try:
            x.encode("utf-8")
        except UnicodeEncodeError:
            return False
        return True

    @property
    def is_np_flattenable(self) -> bool:
        """False: flattening would pad every text to ``max_length`` numbers."""
        return False

    def __repr__(self) -> str:
        return f"Text(max_length={self.max_length})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Text) and other.max_length == self.max_length

    def __hash__(self) -> int:
        return hash((Text, self.max_length))


class SharedTexts(Sequence[str]):
    """Texts of ``n`` environments in shared memory, a slot each: length, then UTF-8 bytes.

    Gymnasium's AsyncVectorEnv reads its buffer once and copies the result every step, so reading must be
    lazy: an element is decoded when it is looked at, and a deep copy is the tuple of the texts of this
    moment. Slots are sparse: pages that no text has reached take no memory.
    """

    def __init__(self, slot_bytes: int, n: int) -> None:
        self.n = n
        self.slot = _HEADER.size + slot_bytes
        self._buffer = BufferWrapper(self.slot * n)

    def write(self, index: int, text: str) -> None:
        """Store one text; ValueError if it does not fit its slot."""
        data = text.encode("utf-8")
        if len(data) > self.slot - _HEADER.size:
            raise ValueError(
                f"text of {len(data)} bytes does not fit a slot of {self.slot - _HEADER.size}"
            )
        view, start = self._buffer.create_memoryview(), self.slot * index
        view[start + _HEADER.size : start + _HEADER.size + len(data)] = data
        _HEADER.pack_into(view, start, len(data))

    def __len__(self) -> int:
        return self.n

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return tuple(self)[index]
        if not -self.n <= index < self.n:
            raise IndexError(index)
        view, start = self._buffer.create_memoryview(), self.slot * (index % self.n)
        (size,) = _HEADER.unpack_from(view, start)
        return bytes(view[start + _HEADER.size : start + _HEADER.size + size]).decode("utf-8")

    def __deepcopy__(self, memo: dict[int, Any]) -> tuple[str, ...]:
        return tuple(self)

    def __repr__(self) -> str:
        return repr(tuple(self))


def _register(function: Any, handler: Any) -> None:
    function.register(Text)(handler)


def _batch(space: Text, n: int = 1) -> gymnasium.spaces.Tuple[Any]:
    return gymnasium.spaces.Tuple([copy.copy(space) for _ in range(n)])


_register(batch_space, _batch)
# UTF-8 needs at most four bytes a character.
_register(create_shared_memory, lambda space, n=1, ctx=None: SharedTexts(4 * space.max_length, n))
_register(read_from_shared_memory, lambda space, shared_memory, n=1: shared_memory)
_register(
    write_to_shared_memory,
    lambda space, index, value, shared_memory: shared_memory.write(index, value),
)
