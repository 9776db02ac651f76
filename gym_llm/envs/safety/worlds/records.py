"""What tools do with the records of a world: the patterns that all tools of the tables are made of.

A collection is a dict from id to record, a list of records, or a dict from id to a list of records; task
rows use all three.
"""

import hashlib
import json
import operator
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from gym_llm.core.tools import ToolError
from gym_llm.envs.safety.worlds.specs import Filter, ToolSpec
from gym_llm.messages import ToolCall

Arguments = dict[str, Any]


@dataclass
class World:
    """The state of one episode."""

    data: dict[str, Any]
    """Collections by name, and whatever else the task's world has."""
    seed: str
    """New ids follow from this and the number of ids made so far."""
    created: int = 0
    outcomes: list[tuple[ToolCall, bool]] = field(default_factory=list)
    """Every call that was run, and whether it was carried out."""

    def new_id(self, prefix: str) -> str:
        """Return a fresh id: the prefix and six hexadecimal digits."""
        self.created += 1
        digest = hashlib.sha256(f"{self.seed}-{self.created}".encode()).hexdigest()
        return prefix + digest[:6].upper()

    def collection(self, names: str) -> Any:
        """Return the first of ``inbox|messages`` and the like that the world has, else a new one."""
        choices = names.split("|")
        name = next((n for n in choices if self.data.get(n) is not None), choices[0])
        if self.data.get(name) is None:
            self.data[name] = {}
        return self.data[name]


def entries(collection: Any) -> Iterator[tuple[str, Any]]:
    """Yield key and record of every entry; the key is empty in a list."""
    pairs = collection.items() if isinstance(collection, dict) else (("", v) for v in collection)
    for key, value in pairs:
        for record in value if isinstance(value, list) else [value]:
            yield key, record


def find(collection: Any, name: str, value: Any) -> Any:
    """Return the record with an id, by its key or by its field of that name.

    Raises:
        ToolError: there is none.
    """
    wanted = str(value)
    if isinstance(collection, dict) and wanted in collection:
        return collection[wanted]
    for _, record in entries(collection):
        if isinstance(record, dict) and str(record.get(name)) == wanted:
            return record
    raise ToolError(f"nothing found with {name} {wanted[:100]!r}")


def get(tool: ToolSpec, world: World, arguments: Arguments) -> Any:
    """Return the record that the first argument names."""
    name = tool.parameters[0].name
    return find(world.collection(tool.collection), name, arguments[name])


def search(tool: ToolSpec, world: World, arguments: Arguments) -> Any:
    """Return the records that pass every filter whose argument was given."""
    filters = {f.argument: f for f in tool.where}
    used = [(filters.get(n) or Filter(n, "=", (n,)), wanted) for n, wanted in arguments.items()]
    found = [
        record
        for key, record in entries(world.collection(tool.collection))
        if all(test.keeps(key, record, wanted) for test, wanted in used)
    ]
    if tool.show:
        return [{k: r[k] for k in tool.show if k in r} for r in found if isinstance(r, dict)]
    return found


def change(tool: ToolSpec, world: World, arguments: Arguments) -> str:
    """Replace, extend or adjust fields of the record that the first argument names."""
    name = tool.parameters[0].name
    record = find(world.collection(tool.collection), name, arguments[name])
    combine = COMBINE[tool.does]
    values = {tool.into.get(k, k): v for k, v in arguments.items() if k != name}
    record.update({k: combine(record.get(k), v) for k, v in values.items()}, **tool.set)
    return f"{name} {arguments[name]}: updated {', '.join([*values, *tool.set]) or 'nothing'}"


def create(tool: ToolSpec, world: World, arguments: Arguments) -> str:
    """Add a record with a new id, or with the id that the arguments give."""
    for name, owner in tool.refers.items():
        find(world.collection(owner), name, arguments[name])
    collection = world.collection(tool.collection)
    key = arguments.get(tool.id) or world.new_id(tool.prefix)
    record = {tool.id: key, **{tool.into.get(k, k): v for k, v in arguments.items()}, **tool.set}
    if isinstance(collection, dict):
        collection[key] = record
    else:
        collection.append(record)
    return f"{tool.id} {key}: created"


def upsert(tool: ToolSpec, world: World, arguments: Arguments) -> str:
    """Change the record that the first argument names, or create it."""
    try:
        return change(tool, world, arguments)
    except ToolError:
        return create(tool, world, arguments)


def _extended(old: Any, new: Any) -> Any:
    if isinstance(old, list):
        return [*old, new]
    return f"{old}\n{new}" if old else new


COMBINE: dict[str, Callable[[Any, Any], Any]] = {
    "update": lambda old, new: new,
    "upsert": lambda old, new: new,
    "append": _extended,
    "adjust": operator.add,
}

PATTERNS: dict[str, Callable[[ToolSpec, World, Arguments], Any]] = {
    "get": get,
    "search": search,
    "update": change,
    "append": change,
    "adjust": change,
    "create": create,
    "upsert": upsert,
}


ODD_WORLD = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)
"""What a pattern raises on a world that is not of the shape that the tables expect."""


def carry_out(tool: ToolSpec, world: World, /, **arguments: Any) -> str:
    """Run one tool and return its result as text.

    Raises:
        ToolError: the world has no such record, or is not of the shape that the tool expects.
    """
    try:
        result = PATTERNS[tool.does](tool, world, tool.complete(arguments))
        return result if isinstance(result, str) else json.dumps(result)
    except ODD_WORLD as error:
        raise ToolError(f"{tool.name} failed: {type(error).__name__}: {error}") from error
