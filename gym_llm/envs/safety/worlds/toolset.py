"""From the tables to tools: every entry becomes a `gym_llm.core.Tool` with a JSON schema."""

import functools
from typing import Any

import pydantic
from pydantic.json_schema import SkipJsonSchema

from gym_llm.core import Tool
from gym_llm.envs.safety.worlds.records import carry_out
from gym_llm.envs.safety.worlds.specs import Parameter, ToolSpec
from gym_llm.envs.safety.worlds.tables import load_common, load_domain

TYPES: dict[str, Any] = {
    "string": str,
    "integer": int,
    "number": float,
    "boolean": bool,
    "string or strings": str | list[str],
}
Hidden: Any = SkipJsonSchema
"""Annotates an argument that is accepted but not shown."""


@functools.cache
def tool_specs(domain: str) -> tuple[ToolSpec, ...]:
    """Return the tools of a domain as entries of its table."""
    table, common = load_domain(domain), load_common()["tools"]
    shared = {name: common[name] for name in table.get("shared", ())}
    return tuple(ToolSpec.parse(name, entry) for name, entry in {**table["tools"], **shared}.items())


@functools.cache
def domain_tools(domain: str) -> tuple[Tool, ...]:
    """Return the tools of a domain."""
    return tuple(make_tool(spec) for spec in tool_specs(domain))


def make_tool(spec: ToolSpec) -> Tool:
    """Return the tool that a model can call."""
    extra: Any = "ignore" if spec.ignores_extra else "forbid"
    # A model that writes an id as a number means the same record.
    config = pydantic.ConfigDict(extra=extra, coerce_numbers_to_str=True)
    fields: dict[str, Any] = {p.name: make_field(p) for p in spec.parameters}
    arguments = pydantic.create_model(spec.name, __config__=config, **fields)
    run = functools.partial(carry_out, spec)
    return Tool(spec.name, spec.about, arguments, run, takes_state=True, drop_none=True)


def make_field(parameter: Parameter) -> Any:
    """Return type and field of a parameter for the pydantic model of a tool's arguments."""
    kind, about = load_common()["arguments"].get(parameter.name, ("string", None))
    type_ = TYPES[kind] if parameter.is_shown else Hidden[TYPES[kind]]
    if parameter.required:
        return type_, pydantic.Field(description=about)
    # Null arguments are dropped before validation, so null is no default to show.
    hidden = _hide_default if parameter.default is None else None
    default: Any = parameter.default
    return type_, pydantic.Field(default=default, description=about, json_schema_extra=hidden)


def _hide_default(schema: dict[str, Any]) -> None:
    schema.pop("default", None)
