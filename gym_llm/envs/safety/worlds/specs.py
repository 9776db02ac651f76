"""The entries of the tool tables: what a tool is called, takes and does, as plain data."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from gym_llm.messages import parse_json


@dataclass(frozen=True)
class Filter:
    """Keeps records by one argument; made of a text such as ``query ~ name conditions``."""

    argument: str
    operator: str
    """``=`` equal and ``~`` contained (case aside), ``<=`` and ``>=``: argument on the left."""
    fields: tuple[str, ...]

    @classmethod
    def parse(cls, text: str) -> "Filter":
        """Read a filter of the tables."""
        argument, sign, *fields = text.split()
        return cls(argument, sign, tuple(fields))

    def keeps(self, key: str, record: Any, wanted: Any) -> bool:
        """Tell whether some field of the record fits the argument."""
        if not isinstance(record, dict):
            return False
        compare = COMPARE[self.operator]
        # Records that are grouped under their owner's id need not repeat it.
        values = [record.get(f, key if f.endswith("_id") else None) for f in self.fields]
        parts = [p for v in values if v is not None for p in (v if isinstance(v, list) else [v])]
        return any(compare(wanted, part) for part in parts)


def fold(value: Any) -> str:
    """Return a value as lower-case text without blanks around it; empty when Python cannot write it."""
    try:
        return str(value).strip().lower()
    except (RecursionError, ValueError):  # nested or long beyond Python's own limits
        return ""


def _at_most(left: Any, right: Any) -> bool:
    try:
        return float(left) <= float(right)
    except (TypeError, ValueError):
        return str(left) <= str(right)  # days written as YYYY-MM-DD


COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "=": lambda wanted, value: fold(wanted) == fold(value),
    "~": lambda wanted, value: fold(wanted) in fold(value),
    "<=": _at_most,
    ">=": lambda wanted, value: _at_most(value, wanted),
}


@dataclass(frozen=True)
class Parameter:
    """An argument of a tool; in the tables ``name``, ``name?`` (optional) or ``name=default``."""

    name: str
    required: bool
    default: Any = None
    is_shown: bool = True
    """Whether the schema has it; task rows' own schemas may."""

    @classmethod
    def parse(cls, text: str, is_shown: bool = True) -> "Parameter":
        """Read a parameter of the tables."""
        name, has_default, default = text.partition("=")
        if not has_default:
            return cls(name.removesuffix("?"), not name.endswith("?"), is_shown=is_shown)
        value = parse_json(default)
        return cls(name, False, default if value is None else value, is_shown)


@dataclass(frozen=True)
class ToolSpec:
    """One entry of a tool table."""

    name: str
    about: str
    does: str
    """One of `records.PATTERNS`."""
    collection: str
    parameters: tuple[Parameter, ...]
    where: tuple[Filter, ...] = ()
    """Filters of a search; an argument without one must equal the field of its name."""
    show: Sequence[str] = ()
    """Fields that a search returns; all by default."""
    into: Mapping[str, str] = field(default_factory=dict)
    """Argument to the field that it goes into, where the names differ."""
    set: Mapping[str, Any] = field(default_factory=dict)
    """Fields with fixed values."""
    refers: Mapping[str, str] = field(default_factory=dict)
    """Argument to the collection that must have the record that it names."""
    id: str = ""
    """Field of a created record that holds its id."""
    prefix: str = ""
    ignores_extra: bool = False
    """Whether arguments that the tool does not have are ignored instead of refused."""

    @classmethod
    def parse(cls, name: str, entry: Mapping[str, Any]) -> "ToolSpec":
        """Read an entry of the tables."""
        fields = {k: v for k, v in entry.items() if k not in ("in", "takes", "accepts", "where")}
        hidden = [Parameter.parse(text, is_shown=False) for text in entry.get("accepts", ())]
        return cls(
            name=name,
            collection=entry["in"],
            parameters=(*map(Parameter.parse, entry.get("takes", ())), *hidden),
            where=tuple(map(Filter.parse, entry.get("where", ()))),
            **{"id": next(iter(entry.get("takes", ())), ""), **fields},
        )

    def complete(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return arguments with the defaults added, in the order of the parameters."""
        values = {p.name: given.get(p.name, p.default) for p in self.parameters}
        return {name: value for name, value in values.items() if value is not None}
