"""Presets: what is the same for all users of a model service."""

from collections.abc import Mapping
from typing import Any

from gym_llm.errors import ConfigError, UnknownNameError

FALLBACK_KEY = "GYM_LLM_API_KEY"
"""Variable that holds the key where the service's own is not set."""

_AZURE = "azure"

PRESETS: Mapping[str, Mapping[str, str]] = {
    "openai": {"base_url": "https://api.openai.com/v1", "api_key_env": "OPENAI_API_KEY"},
    _AZURE: {"api_key_env": "AZURE_OPENAI_API_KEY", "key_header": "api-key"},
    "vllm": {"base_url": "http://localhost:8000/v1", "api_key_env": "VLLM_API_KEY"},
    "openrouter": {
        "base_url": "https://openrouter.ai/api/v1",
        "api_key_env": "OPENROUTER_API_KEY",
    },
    "fireworks": {
        "base_url": "https://api.fireworks.ai/inference/v1",
        "api_key_env": "FIREWORKS_API_KEY",
    },
}
"""Fields of an endpoint, by the name of the service."""

_KEY_IS_OPTIONAL = frozenset({"vllm"})


def preset_fields(name: str, environ: Mapping[str, str]) -> dict[str, Any]:
    """Return the fields that a preset gives an endpoint.

    Args:
        name: a key of ``PRESETS``.
        environ: variables; says where the key is, and where the Azure resource.

    Raises:
        UnknownNameError: no such preset.
    """
    if name not in PRESETS:
        raise UnknownNameError("preset", name, PRESETS)
    found: dict[str, Any] = dict(PRESETS[name])
    own = found["api_key_env"]
    if not environ.get(own):
        if environ.get(FALLBACK_KEY):
            found["api_key_env"] = FALLBACK_KEY
        elif name in _KEY_IS_OPTIONAL:
            del found["api_key_env"]
    if name == _AZURE:
        variables = {"base_url": "AZURE_OPENAI_ENDPOINT", "api_version": "OPENAI_API_VERSION"}
        found |= {field: environ[v] for field, v in variables.items() if environ.get(v)}
    return found


def finish(preset: str | None, fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return an endpoint's fields as the server needs them, once all of them are known.

    Azure's base URL is that of the resource. With an ``api_version`` the model is a deployment with a
    URL of its own; without one it is named in the request, as everywhere else.

    Raises:
        ConfigError: Azure without the URL of a resource.
    """
    found = dict(fields)
    if preset != _AZURE:
        return found
    if not found.get("base_url"):
        raise ConfigError(
            "base_url: the azure preset needs the URL of a resource (AZURE_OPENAI_ENDPOINT)"
        )
    root = str(found["base_url"]).rstrip("/")
    if "/openai" not in root:
        has_version = bool(found.get("api_version"))
        path = f"deployments/{found['model']}" if found.get("api", "chat") == "chat" else ""
        root = f"{root}/openai/{path if has_version else 'v1'}".rstrip("/")
    return found | {"base_url": root}
