"""Validation against JSON Schema 2020-12: bounded in time, never resolving what is not in the schema.

Built on ``jsonschema``, whose keywords are wrapped: each application counts towards a limit, patterns
run with a time limit, and comparing items for uniqueness is linear. A value beyond a limit counts as
invalid.
"""

import functools
import json
import time
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import attrs
import referencing
from jsonschema import Draft202012Validator, FormatChecker, ValidationError
from jsonschema.validators import extend

from gym_llm.verifiers.formats import check_size
from gym_llm.verifiers.patterns import compile_pattern

MAX_SCHEMA_CHARS = 1 << 17
MAX_STEPS = 200_000
MAX_SCHEMA_STEPS = 500_000
"""Steps for checking a schema against the meta schema, which is done once for each schema."""
PATTERN_TIME_S = 1.0
"""For all patterns of one validation together."""
TIME_LIMIT_S = 10.0
"""A backstop: the steps are used up long before, except on schemas made to be slow."""
MAX_FORMAT_CHARS = 10_000
MAX_MESSAGE_CHARS = 500

_NAME_MAPS = {"properties", "patternProperties", "$defs", "definitions", "dependentSchemas"}
_LITERALS = {"enum", "const", "default", "example", "examples"}
_BRANCHES = {"anyOf", "oneOf", "allOf", "prefixItems"}
_PER_ITEM = {
    "items",
    "prefixItems",
    "contains",
    "additionalProperties",
    "patternProperties",
    "propertyNames",
    "unevaluatedItems",
    "unevaluatedProperties",
}
# Resolving a reference takes longer than other keywords.
_STEPS = {"$ref": 5, "$dynamicRef": 5}


class SchemaError(ValueError):
    """A schema's text is not JSON, or is beyond a bound."""


class _LimitError(Exception):
    """A validation is beyond a limit."""


@dataclass
class _Budget:
    steps: int
    deadline: float
    pattern_s: float = PATTERN_TIME_S

    def spend(self, steps: int) -> None:
        self.steps -= steps
        if self.steps < 0 or time.monotonic() > self.deadline:
            raise _LimitError("too large to validate")

    def matches(self, pattern: str, text: str) -> bool:
        """Return whether a pattern is found anywhere in a text."""
        compiled = compile_pattern(pattern, 0)
        if compiled is None:
            raise _LimitError(f"pattern {pattern[:100]!r} cannot be used")
        started = time.monotonic()
        try:
            return compiled.search(text, timeout=max(self.pattern_s, 0.001)) is not None
        except TimeoutError as error:
            raise _LimitError(f"pattern {pattern[:100]!r} takes too long") from error
        finally:
            self.pattern_s -= time.monotonic() - started


_budget: ContextVar[_Budget] = ContextVar("budget of the validation in progress")


def strictify(schema: Any, branches: bool = False) -> Any:
    """Return a schema whose objects have all their properties and no others.

    Only schemas change: a property called ``properties``, or an enum's value, stays what it is. The
    branches of ``anyOf`` and the like change with ``branches`` alone.

    >>> strictify({"properties": {"a": {}}})
    {'properties': {'a': {}}, 'required': ['a'], 'additionalProperties': False}
    """
    if not isinstance(schema, dict):
        return schema
    strict = {key: _strictify_value(key, value, branches) for key, value in schema.items()}
    if isinstance(schema.get("properties"), dict):
        strict |= {"required": list(schema["properties"]), "additionalProperties": False}
    return strict


def _strictify_value(key: str, value: Any, branches: bool) -> Any:
    if isinstance(value, list):
        walks = branches and key in _BRANCHES
        return [strictify(branch, branches) for branch in value] if walks else value
    if not isinstance(value, dict) or key in _LITERALS:
        return value
    if key in _NAME_MAPS:
        return {name: strictify(part, branches) for name, part in value.items()}
    # Keywords that hold a schema, and unknown ones: a reference may point into them.
    return strictify(value, branches)


def load_schema(text: str) -> Any:
    """Return the schema of a JSON text.

    Raises:
        SchemaError: it is not JSON, or is beyond a bound.
    """
    if len(text) > MAX_SCHEMA_CHARS:
        raise SchemaError(f"a schema of more than {MAX_SCHEMA_CHARS} characters")
    try:
        schema = json.loads(text)
        check_size(schema)
    except (ValueError, RecursionError) as error:
        raise SchemaError(f"{type(error).__name__}: {error}") from error
    return schema


@dataclass(frozen=True)
class CompiledSchema:
    """A schema that is ready to validate values."""

    schema: Any
    problem: str | None
    """Why it is no schema; then no value is valid."""
    check_formats: bool

    def error(self, value: Any) -> str | None:
        """Return why a value is not valid; None when it is."""
        if self.problem is not None:
            return self.problem
        formats = _FORMATS if self.check_formats else None
        return _first_error(self.schema, value, formats, MAX_STEPS)


@functools.lru_cache(maxsize=256)
def compile_schema(
    text: str, strict: bool = True, strict_branches: bool = False, check_formats: bool = False
) -> CompiledSchema:
    """Read a schema's text, make it strict, and check that it is a schema.

    Raises:
        SchemaError: the text is not JSON, or is beyond a bound.
    """
    schema = load_schema(text)
    if strict:
        schema = strictify(schema, strict_branches)
    problem = _first_error(_Checker.META_SCHEMA, schema, _FORMATS, MAX_SCHEMA_STEPS)
    if problem is None and "unevaluatedProperties" in text and "patternProperties" in text:
        # jsonschema runs these patterns itself, without a time limit.
        problem = "unevaluatedProperties together with patternProperties is not supported"
    return CompiledSchema(schema, problem and f"not a schema: {problem}", check_formats)


def _first_error(schema: Any, value: Any, formats: FormatChecker | None, steps: int) -> str | None:
    token = _budget.set(_Budget(steps, time.monotonic() + TIME_LIMIT_S))
    try:
        checker = _Checker(schema, format_checker=formats, registry=referencing.Registry())
        error = next(checker.iter_errors(value), None)
    # References that lead nowhere or in circles, keys that are not text, odd numbers: jsonschema raises
    # errors of many libraries, and none of these values is valid.
    except Exception as failure:
        return f"{type(failure).__name__}: {failure}"[:MAX_MESSAGE_CHARS]
    finally:
        _budget.reset(token)
    if error is None:
        return None
    place = "/".join(map(str, error.absolute_path))
    return (f"{place}: {error.message}" if place else error.message)[:MAX_MESSAGE_CHARS]


# --- keywords, in jsonschema's form: (validator, keyword's value, instance, schema) -> errors


def _pattern(validator: Any, pattern: str, instance: Any, schema: Any) -> Iterator[ValidationError]:
    if isinstance(instance, str) and not _budget.get().matches(pattern, instance):
        yield ValidationError(f"{instance[:200]!r} does not match {pattern!r}")


def _pattern_properties(
    validator: Any, patterns: Any, instance: Any, schema: Any
) -> Iterator[ValidationError]:
    if not isinstance(instance, dict):
        return
    for pattern, part in patterns.items():
        for key, value in instance.items():
            if _budget.get().matches(pattern, key):
                yield from validator.descend(value, part, path=key, schema_path=pattern)


def _additional_properties(
    validator: Any, additional: Any, instance: Any, schema: Any
) -> Iterator[ValidationError]:
    if not isinstance(instance, dict):
        return
    known, patterns = schema.get("properties", {}), schema.get("patternProperties", {})
    budget = _budget.get()
    extras = [k for k in instance if k not in known and not any(budget.matches(p, k) for p in patterns)]
    if isinstance(additional, dict):
        for key in extras:
            yield from validator.descend(instance[key], additional, path=key)
    elif not additional and extras:
        yield ValidationError(f"unexpected properties: {', '.join(map(repr, extras[:10]))}")


def _unique_items(validator: Any, wanted: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
    if wanted and isinstance(instance, list) and len(set(map(_key, instance))) < len(instance):
        yield ValidationError("items are not unique")


def _key(value: Any) -> Any:
    """Return something hashable that is equal for values that JSON Schema holds equal."""
    _budget.get().spend(1)
    if isinstance(value, dict):
        return "object", frozenset((key, _key(item)) for key, item in value.items())
    if isinstance(value, list | tuple):
        return "array", tuple(map(_key, value))
    if isinstance(value, bool | set):
        return type(value).__name__, repr(value)
    return value


def _format(validator: Any, name: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
    checker = validator.format_checker
    if checker is None:
        return
    if isinstance(instance, str) and len(instance) > MAX_FORMAT_CHARS:
        yield ValidationError(f"a text of more than {MAX_FORMAT_CHARS} characters is no {name}")
    elif not checker.conforms(instance, name):
        yield ValidationError(f"{instance!r} is no {name}")


def _counted(name: str, keyword: Callable[..., Any]) -> Callable[..., Any]:
    """Make a keyword count as many steps as it has parts to look at."""

    def apply(validator: Any, value: Any, instance: Any, schema: Any) -> Any:
        parts = len(value) if isinstance(value, dict | list) else 0
        items = len(instance) if name in _PER_ITEM and isinstance(instance, dict | list) else 0
        _budget.get().spend(_STEPS.get(name, 1) + parts + items)
        return keyword(validator, value, instance, schema)

    return apply


_OWN = {
    "pattern": _pattern,
    "patternProperties": _pattern_properties,
    "additionalProperties": _additional_properties,
    "uniqueItems": _unique_items,
    "format": _format,
}
_Checker: Any = extend(  # type: ignore[no-untyped-call]
    Draft202012Validator,
    {
        name: _counted(name, keyword)
        for name, keyword in {**Draft202012Validator.VALIDATORS, **_OWN}.items()
    },
)
_FIELDS = [(field.name, field.alias) for field in attrs.fields(_Checker) if field.init]


def _evolve(checker: Any, **changes: Any) -> Any:
    return _Checker(**{**{alias: getattr(checker, name) for name, alias in _FIELDS}, **changes})


# The original changes to an unbounded class where a part of the schema names a dialect of its own.
_Checker.evolve = _evolve

_FORMATS = FormatChecker(formats=())
_FORMATS.checkers = {
    **Draft202012Validator.FORMAT_CHECKER.checkers,
    "regex": (lambda text: not isinstance(text, str) or compile_pattern(text, 0) is not None, ()),
}
