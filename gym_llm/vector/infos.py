"""VectorInfos: the infos of a batch, kept as they came and aggregated only when somebody looks."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

Info = dict[str, Any]


def aggregate(infos: Sequence[Info]) -> Info:
    """Return infos in the form of Gymnasium's vector environments.

    Args:
        infos: one dict for each environment.

    Returns:
        For each key an array with an entry for each environment, and under ``_key`` a mask of those that
        reported it; keys that hold only dicts recurse. Values decide a dtype together: whole numbers
        with fractions give floats, what does not fit one dtype an object array; nothing raises.
    """
    size = len(infos)
    columns: dict[str, tuple[list[int], list[Any]]] = {}
    for number, info in enumerate(infos):
        for key, value in info.items():
            places, values = columns.setdefault(key, ([], []))
            places.append(number)
            values.append(value)
    result: Info = {}
    masks: Info = {}
    for key, (places, values) in columns.items():
        mask = np.zeros(size, dtype=bool)
        mask[places] = True
        masks[f"_{key}"] = mask
        result[key] = _column(size, places, values)
    return {**result, **masks}


def _column(size: int, places: list[int], values: list[Any]) -> Any:
    kinds = set(map(type, values))
    if kinds == {dict}:
        rows: list[Info] = [{} for _ in range(size)]
        for place, value in zip(places, values, strict=True):
            rows[place] = value
        return aggregate(rows)
    try:
        column = _numeric(size, kinds, values)
    except OverflowError:  # an integer of more than 64 bits
        column = None
    if column is None:
        column = np.full(size, None, dtype=object)
        for place, value in zip(places, values, strict=True):
            column[place] = value
        return column
    column[places] = values
    return column


def _numeric(size: int, kinds: set[type], values: list[Any]) -> Any:
    """Return zeros of the dtype that holds all values exactly; None when there is none."""
    if kinds <= {bool, np.bool_}:
        return np.zeros(size, dtype=bool)
    if all(issubclass(kind, int | float | np.number) and kind is not bool for kind in kinds):
        return np.zeros(size, dtype=np.result_type(*(np.asarray(value) for value in values)))
    if kinds == {np.ndarray} and len({(value.shape, value.dtype) for value in values}) == 1:
        return np.zeros((size, *values[0].shape), dtype=values[0].dtype)
    return None


class VectorInfos(dict[str, Any]):
    """A Gymnasium vector info that also keeps the infos of each environment.

    Read as a dict it is what `aggregate` returns, which is made at the first access of any kind; writing
    to it adds to that. `per_env` costs nothing.

    Args:
        infos: one dict for each environment.
        more: entries beside the aggregated ones.
    """

    def __init__(self, infos: list[Info], more: Info | None = None) -> None:
        # C code, such as json's, takes a dict of size 0 for empty without asking any method.
        super().__init__(_UNFILLED)
        self._infos = infos
        self._more = more or {}
        self._is_aggregated = False

    def per_env(self) -> list[Info]:
        """Return the infos as they came, one for each environment of the batch."""
        return self._infos

    def _fill(self) -> None:
        if not self._is_aggregated:
            self._is_aggregated = True
            super().clear()
            super().update({**aggregate(self._infos), **self._more})

    def __reduce__(self) -> tuple[Any, ...]:
        self._fill()
        return _restore, (self._infos, dict.copy(self))

    def __deepcopy__(self, memo: dict[int, Any]) -> "VectorInfos":
        import copy

        self._fill()
        return _restore(copy.deepcopy(self._infos, memo), copy.deepcopy(dict.copy(self), memo))


_UNFILLED: Info = {"": None}


def _restore(infos: list[Info], content: Info) -> VectorInfos:
    found = VectorInfos(infos)
    found._is_aggregated = True
    dict.clear(found)
    dict.update(found, content)
    return found


def _after_filling(name: str) -> Callable[..., Any]:
    """Return the method of dict that looks at the aggregated content."""
    method = getattr(dict, name)

    def call(self: VectorInfos, *args: Any, **kwargs: Any) -> Any:
        self._fill()
        return method(self, *args, **kwargs)

    call.__name__ = name
    call.__doc__ = method.__doc__
    return call


# Every way to look at a dict, so that no caller can see one that is not filled yet.
for _name in (
    *(
        "__contains__",
        "__delitem__",
        "__eq__",
        "__getitem__",
        "__ior__",
        "__iter__",
        "__len__",
        "__ne__",
    ),
    *("__or__", "__repr__", "__reversed__", "__ror__", "__setitem__", "clear", "copy", "get", "items"),
    *("keys", "pop", "popitem", "setdefault", "update", "values"),
):
    setattr(VectorInfos, _name, _after_filling(_name))
