"""Endpoints by name: a TOML file, environment variables and options, put together.

    [models.mini]
    preset = "openai"
    model = "gpt-5-mini"
    prices = {input = 0.25, output = 2.0}

Keys of a table are the fields of `gym_llm.models.Endpoint`, and ``preset``. Options go before the file,
the file before the environment, where ``GYM_LLM_BASE_URL`` and the like set single fields.
"""

import os
import tomllib
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from gym_llm.errors import ConfigError, UnknownNameError
from gym_llm.models.endpoint import Endpoint
from gym_llm.models.presets import finish, preset_fields

MODELS_VARIABLE = "GYM_LLM_MODELS"
DEFAULT_FILES = ("gym_llm.toml", "~/.config/gym_llm/models.toml")
MAX_FILE_BYTES = 2**20

ENV_PREFIX = "GYM_LLM_"
ENV_FIELDS = {
    "preset": str,
    "base_url": str,
    "api_key": str,
    "api": str,
    "api_version": str,
    "transport": str,
    "timeout_s": float,
    "max_retries": int,
    "max_concurrency": int,
}
"""Fields that a variable can set, which is named like the field in capitals."""

_KEY_FIELDS = ("api_key", "api_key_env")


def find_endpoint(
    name: str,
    options: Mapping[str, Any] | None = None,
    file: str | Path | None = None,
    environ: Mapping[str, str] | None = None,
    defaults: Mapping[str, Any] | None = None,
) -> Endpoint:
    """Return the endpoint of a model.

    Args:
        name: of a table of the file; otherwise the model's own name, as its server knows it.
        options: fields that go before those of the file; may have ``preset``.
        file: TOML file; None looks at ``GYM_LLM_MODELS``, ``gym_llm.toml`` in the current folder, and
            ``~/.config/gym_llm/models.toml``, and takes the first.
        environ: instead of the process's variables.
        defaults: fields that anything else goes before.

    Raises:
        ConfigError: no server is known for the model, or a value cannot work; the message has the file,
            the table and the field.
    """
    environ = os.environ if environ is None else environ
    path = _models_file(file, environ)
    tables = {} if path is None else read_models(path)
    table = tables.get(name)
    layers = [dict(defaults or {}), _from_environment(environ)]
    if table is not None:
        layers.append({"model": name, **table})
    layers.append(dict(options or {}))
    place = f"{path}: [models.{name}]: " if table is not None else ""
    try:
        merged: dict[str, Any] = {"model": name}
        for layer in layers:
            merged = _over(merged, layer, environ)
        merged = finish(merged.pop("preset", None), merged)
        if "base_url" not in merged:
            raise ConfigError(_no_server(name, path, tables))
        return Endpoint.from_config(merged)
    except ConfigError as error:
        raise ConfigError(f"{place}{error}") from None


def read_models(path: Path) -> dict[str, dict[str, Any]]:
    """Read the tables of a TOML file of models; their values are checked when they are used.

    Raises:
        ConfigError: the file cannot be read, or holds something else.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
        if len(data) > MAX_FILE_BYTES:
            raise ConfigError(f"{path}: larger than {MAX_FILE_BYTES >> 20} MB")
        document = tomllib.loads(data.decode("utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror or error}") from None
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{path}: {error}") from None
    for key in document:
        if key != "models":
            raise UnknownNameError(f"table of {path}:", key, ["models"])
    tables = document.get("models", {})
    known = sorted({f.name for f in fields(Endpoint)} | {"preset"})
    if not isinstance(tables, dict):
        raise ConfigError(f"{path}: models must be tables [models.NAME], got {type(tables).__name__}")
    for name, table in tables.items():
        if not isinstance(table, dict):
            raise ConfigError(f"{path}: models.{name} must be a table, got {type(table).__name__}")
        for key in table:
            if key not in known:
                raise UnknownNameError(f"key of {path}: [models.{name}]:", key, known)
    return tables


def _models_file(file: str | Path | None, environ: Mapping[str, str]) -> Path | None:
    named = file or environ.get(MODELS_VARIABLE)
    if named:
        return Path(named).expanduser()
    candidates = (Path(name).expanduser() for name in DEFAULT_FILES)
    return next((path for path in candidates if path.is_file()), None)


def _from_environment(environ: Mapping[str, str]) -> dict[str, Any]:
    found = {}
    for name, kind in ENV_FIELDS.items():
        variable = ENV_PREFIX + name.upper()
        if text := environ.get(variable):
            try:
                found[name] = kind(text)
            except ValueError:
                raise ConfigError(f"{variable} must be a number, got {text!r}") from None
    return found


def _over(
    lower: Mapping[str, Any], upper: Mapping[str, Any], environ: Mapping[str, str]
) -> dict[str, Any]:
    """Lay one source of fields over another; its preset counts as part of it."""
    preset = upper.get("preset")
    if preset is not None:
        upper = {**preset_fields(str(preset), environ), **upper}
    found = dict(lower)
    if any(upper.get(name) is not None for name in _KEY_FIELDS):
        for name in _KEY_FIELDS:
            found.pop(name, None)
    for name, value in upper.items():
        if name in ("params", "extra_body", "headers") and isinstance(value, Mapping):
            # Single parameters can be overridden, so these go together.
            value = {**(found.get(name) or {}), **value}
        if value is not None:
            found[name] = value
    return found


def _no_server(name: str, path: Path | None, tables: Mapping[str, Any]) -> str:
    if not tables:
        where = "no file of models was found" if path is None else f"{path} has no tables"
        return f"model {name!r} needs a base URL or a preset ({where})"
    unknown = UnknownNameError(f"model of {path}:", name, tables)
    return f"{unknown}; a model that has no table needs a base URL or a preset"
