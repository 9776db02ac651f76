"""Tools from typed Python functions: schema from the signature, arguments validated, errors as text."""

import functools
import inspect
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import pydantic

from gym_llm.errors import ConfigError
from gym_llm.messages import Message, ToolCall
from gym_llm.tasks import describe_validation

MAX_RESULT_CHARS = 1 << 20
"""Longer results, of one call or of all calls of a turn, are cut: no model could read them anyway."""


class ToolError(Exception):
    """Raised by a tool to tell the model why a call cannot be carried out."""


@dataclass(frozen=True)
class Tool:
    """A function that a model may call."""

    name: str
    description: str
    arguments: type[pydantic.BaseModel]
    function: Callable[..., Any]
    takes_state: bool
    drop_none: bool = False

    @classmethod
    def from_function(
        cls,
        function: Callable[..., Any],
        *,
        name: str | None = None,
        extra: Literal["ignore", "forbid"] = "ignore",
        drop_none: bool = False,
    ) -> "Tool":
        """Make a tool of a typed, documented function.

        A first parameter called ``state`` receives the episode's state and is not shown to the model.
        The docstring's first line is the description; parameters may be documented by ``Annotated[...,
        Field()]``.

        Args:
            function: what is called, with keyword arguments.
            name: name for the model; the function's own by default.
            extra: whether arguments that the function does not have are dropped or refused.
            drop_none: leave out null arguments, so that the function's defaults apply.

        Raises:
            ConfigError: a parameter has no type, or the function no docstring.
        """
        name = name or function.__name__
        doc = inspect.getdoc(function)
        if not doc:
            raise ConfigError(f"tool {name!r} needs a docstring: its first line is the description")
        parameters = dict(inspect.signature(function, eval_str=True).parameters)
        takes_state = next(iter(parameters), None) == "state"
        parameters.pop("state", None)
        fields: dict[str, Any] = {}
        for parameter in parameters.values():
            if parameter.annotation is parameter.empty:
                raise ConfigError(f"tool {name!r}: parameter {parameter.name!r} needs a type")
            default = ... if parameter.default is parameter.empty else parameter.default
            fields[parameter.name] = (parameter.annotation, default)
        config = pydantic.ConfigDict(extra=extra, arbitrary_types_allowed=False)
        arguments = pydantic.create_model(name, __config__=config, **fields)
        return cls(name, doc.splitlines()[0], arguments, function, takes_state, drop_none)

    def schema(self) -> Message:
        """Return the tool in the form of OpenAI's chat API."""
        schema: Message = json.loads(self._schema_json)
        return schema

    @functools.cached_property
    def _schema_json(self) -> str:
        """The schema as JSON: made once, as pydantic takes half a millisecond for it."""
        parameters = self.arguments.model_json_schema()
        parameters.pop("title", None)
        for prop in parameters.get("properties", {}).values():
            prop.pop("title", None)
        function = {"name": self.name, "description": self.description, "parameters": parameters}
        return json.dumps({"type": "function", "function": function})

    def call(self, state: Any, arguments: dict[str, Any]) -> Any:
        """Validate the arguments and run the function.

        Raises:
            ToolError: the arguments are not valid, or the function refuses them.
        """
        if self.drop_none:
            arguments = {k: v for k, v in arguments.items() if v is not None}
        try:
            valid = self.arguments.model_validate(arguments)
        except pydantic.ValidationError as error:
            raise ToolError(f"invalid arguments: {describe_validation(error)}") from error
        # Only what was given: defaults are the function's own business.
        given = {key: getattr(valid, key) for key in arguments if key in valid.model_fields_set}
        return self.function(state, **given) if self.takes_state else self.function(**given)


def tool(function: Callable[..., Any]) -> Tool:
    """Make a tool of a function, as a decorator without options; see `Tool.from_function`."""
    return Tool.from_function(function)


@dataclass(frozen=True)
class ToolResult:
    """Outcome of one call: the text for the model, and whether the call was carried out."""

    text: str
    ok: bool


def run_tool_call(tools: dict[str, Tool], state: Any, call: ToolCall) -> ToolResult:
    """Carry out one call; whatever is wrong with it becomes an ``{"error": ...}`` text for the model."""
    wanted = tools.get(call.name)
    if wanted is None:
        return _failed(f"unknown tool {call.name[:100]!r}; known: {', '.join(tools)}")
    arguments = call.parsed_arguments()
    if arguments is None:
        return _failed("arguments are not a JSON object")
    try:
        result = wanted.call(state, arguments)
    except ToolError as error:
        return _failed(str(error))
    return ToolResult(_result_text(result), ok=True)


def _failed(reason: str) -> ToolResult:
    return ToolResult(_result_text({"error": reason[:2000]}), ok=False)


def _result_text(result: Any) -> str:
    text = result if isinstance(result, str) else json.dumps(result, ensure_ascii=False, default=str)
    return text[:MAX_RESULT_CHARS].encode("utf-8", "replace").decode("utf-8")
