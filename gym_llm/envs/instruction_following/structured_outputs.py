"""Structured outputs: answers that must parse and fit a JSON schema (single turn)."""

import json
import logging
from typing import Any, ClassVar, Literal

import pydantic

from gym_llm.core import QuestionEnv
from gym_llm.messages import Message, ToolCall, encode_action, parse_json
from gym_llm.tasks import Row
from gym_llm.verifiers.formats import Format
from gym_llm.verifiers.structured_output import StructuredOutput

logger = logging.getLogger(__name__)

# A schema without any of these accepts everything, or next to it.
_CONSTRAINTS = {
    *("type", "properties", "required", "items", "prefixItems", "enum", "const", "pattern"),
    *("anyOf", "oneOf", "allOf", "not", "if", "$ref", "$dynamicRef", "patternProperties"),
}
_EXAMPLES = {
    "json": ["{}", "[]", '{"name": "example"}'],
    "yaml": ["{}", "name: example"],
    "xml": ["<root/>", "<root><name>example</name></root>"],
    "toml": ["[root]", 'name = "example"'],
    "csv": ["id,name", "id,name\n1,example"],
}


class StructuredOutputRow(Row):
    """A schema and how to answer; NeMo Gym's rows carry the prompt, bundled rows the document."""

    schema_str: str
    """JSON text of the schema."""
    schema_type: Format = "json"
    response_mode: Literal["text", "tool_call"] = "text"
    tool_name: str | None = None
    tool_payload_key: str | None = None
    """Key of the tool's arguments that holds the answer; None when the arguments are the answer."""
    document: str | None = None

    @pydantic.model_validator(mode="after")
    def _warn_of_a_useless_schema(self) -> "StructuredOutputRow":
        schema = parse_json(self.schema_str)
        if schema is None or schema is False:
            logger.warning("row %s: no answer fits schema_str, which is no schema", self.task_id)
        elif self.schema_type == "csv" and isinstance(schema, dict) and schema.get("type") == "object":
            logger.warning("row %s: no CSV fits a schema of type object: it is an array", self.task_id)
        elif schema is True or (isinstance(schema, dict) and not _CONSTRAINTS & set(schema)):
            logger.warning("row %s: the schema accepts nearly any answer that parses", self.task_id)
        return self

    @property
    def tools(self) -> list[Message]:
        """The row's tools; for a row without a prompt, the one that its schema describes."""
        if self.responses_create_params or self.response_mode == "text":
            return super().tools
        schema, key = parse_json(self.schema_str), self.tool_payload_key
        if key:
            schema = {"type": "object", "properties": {key: schema}, "required": [key]}
        function = {
            "name": self._tool,
            "description": "Return what was asked for.",
            "parameters": schema,
        }
        return [{"type": "function", "function": function}]

    @property
    def _tool(self) -> str:
        return self.tool_name or "answer"

    def default_prompt(self) -> list[Message] | None:
        """Return the document and what to do with it."""
        if self.document is None:
            return None
        if self.response_mode == "tool_call":
            how = f"Report what the text above says by one call of the tool `{self._tool}`."
        else:
            how = (
                f"Report what the text above says as {self.schema_type.upper()} that fits this JSON "
                f"schema, with every property and without anything around it:\n{self.schema_str}"
            )
        return [{"role": "user", "content": f"{self.document.strip()}\n\n{how}"}]


class StructuredOutputsV3Env(QuestionEnv):
    r"""Answer in JSON, YAML, XML, TOML or CSV that fits a JSON schema.

    ## Description
    Each task is a document and a schema, or a conversation whose last turn asks for another format. The
    answer must parse and be valid; what it says is not graded.
    ## Observation
    ``str``: the row's messages; for rows with a ``document`` alone, the document, how to answer, and the
    schema.
    ## Action
    ``str``: the assistant's text, which is the answer as it stands: no fence, no words around it. Rows
    with ``response_mode`` "tool_call" want one tool call instead.
    ## Reward
    1.0 if the answer is valid, else 0.0; ``info["rewards"]`` has ``valid``.
    ``info["verification"].fields``: ``error_type`` and ``error_message``, null when it is valid. Types:
    ``empty_response``, ``schema_error``, ``parse_error``, ``validation_error``; for tool calls
    ``missing_tool_call``, ``multiple_tool_calls``, ``wrong_tool_name``, ``tool_arguments_parse_error``,
    ``missing_tool_payload_key``.

    The schema (2020-12) is made strict first: every object needs all its properties and may have no
    others. XML's texts and CSV's cells are converted to the types of the schema; YAML's and TOML's dates
    are no strings.

    Differs from NeMo Gym: a property called ``properties`` and values of ``enum`` and the like are not
    taken for schemas when it is made strict; patterns may use ``\p{...}``; texts, schemas and patterns
    are bounded in size, depth and time (see `gym_llm.verifiers.formats`), XML must not declare entities;
    references never leave the schema.
    ## Episode end
    Terminates after one step; never truncates.
    ## Arguments
    ``tasks``, ``on_bad_row``, ``render_mode``: see `gym_llm.core.TextEnv`. ``strict`` (bool, default
    True): False validates against the schema as the row has it. ``strict_branches`` (bool, default
    False): strict inside ``anyOf``, ``oneOf``, ``allOf`` and ``prefixItems`` too. ``check_formats``
    (bool, default False): check ``format``. ``xml_coerce_types`` (bool, default True).
    ``content_weight`` (float, default 0.0): this share of a valid answer's reward is multiplied by the
    share of its leaves that hold something and whose words occur in the prompt, which is then reported
    as ``content``: with 0.0, dummy values earn as much as right ones.
    ## Data and licence
    The bundled tasks are gym_llm's own (Apache 2.0); NeMo Gym's data for this version are not public.
    ## Version history
    - v0: first version.
    """

    row_model = StructuredOutputRow
    data: ClassVar[str] = "structured_outputs_v3"
    verifier_class = StructuredOutput

    def example_actions(self) -> list[str]:
        """Return small answers in the format that is asked for."""
        row: Any = self.episode.task.row
        if row.response_mode == "text":
            return _EXAMPLES[row.schema_type]
        payload = json.dumps({row.tool_payload_key: {}} if row.tool_payload_key else {})
        return [encode_action("", [ToolCall(row.tool_name or "answer", payload)])]
