"""Endpoint: where a model is served and how it is called, as plain data."""

import os
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from typing import Any, Literal, get_args

from gym_llm.errors import ConfigError, UnknownNameError

Api = Literal["chat", "responses"]


@dataclass(frozen=True)
class Endpoint:
    """One model on one OpenAI-compatible server; the key never shows in its ``repr``.

    Raises:
        ConfigError: a value that cannot work.
    """

    base_url: str
    """Up to and including ``/v1``."""
    model: str
    api_key: str | None = field(default=None, repr=False)
    api_key_env: str | None = None
    """Environment variable that holds the key, which so stays out of specs and records."""
    api: Api = "chat"
    # Not hashable: endpoints that differ only here are told apart by comparison.
    params: Mapping[str, Any] = field(default_factory=dict, hash=False)
    """Parameters of every request: ``temperature``, ``max_tokens``, ...; None leaves one out."""
    max_concurrency: int = 64
    """Requests in flight from one process."""
    max_retries: int = 3
    timeout_s: float = 600.0
    """Deadline of one attempt."""
    retry_delay_s: float = 0.5
    """Wait before the first retry, doubled before each further one, unless the server says how long."""
    developer_role: bool = False
    """Send the role ``developer`` as it is; many servers know only ``system``."""

    def __post_init__(self) -> None:
        if not isinstance(self.base_url, str) or not self.base_url.startswith(("http://", "https://")):
            raise ConfigError(f"base_url must start with http:// or https://, got {self.base_url!r}")
        if not isinstance(self.model, str) or not self.model:
            raise ConfigError(f"model must be the name of a model, got {self.model!r}")
        if self.api not in get_args(Api):
            raise ConfigError(f"api must be one of {get_args(Api)}, got {self.api!r}")
        if not isinstance(self.params, Mapping):
            raise ConfigError(f"params must be a dict, got {self.params!r}")
        if self.api_key is not None and self.api_key_env is not None:
            raise ConfigError("api_key and api_key_env are both given")
        for name, least in (("max_concurrency", 1), ("max_retries", 0)):
            value = getattr(self, name)
            if not isinstance(value, int) or value < least:
                raise ConfigError(f"{name} must be an integer of {least} or more, got {value!r}")
        for name, may_be_zero in (("timeout_s", False), ("retry_delay_s", True)):
            value = getattr(self, name)
            if not isinstance(value, int | float) or not (value > 0 or (may_be_zero and value == 0)):
                raise ConfigError(f"{name} must be a positive number of seconds, got {value!r}")

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> "Endpoint":
        """Build an endpoint from the keys of a JSON or TOML table, which are the fields of this class.

        Raises:
            ConfigError: a key is missing, unknown, or its value cannot work.
        """
        if not isinstance(config, Mapping):
            raise ConfigError(f"a model endpoint must be a dict, got {type(config).__name__}")
        known = {f.name for f in fields(cls)}
        for name in config:
            if name not in known:
                raise UnknownNameError("key of a model endpoint", str(name), sorted(known))
        for f in fields(cls):
            if f.default is MISSING and f.default_factory is MISSING and f.name not in config:
                raise ConfigError(f"a model endpoint needs {f.name!r}, got only {sorted(config)}")
        return cls(**config)

    def key(self) -> str:
        """Return the API key; servers that need none get a placeholder.

        Raises:
            ConfigError: the variable that should hold it is not set.
        """
        if self.api_key_env is None:
            return self.api_key or "none"
        key = os.environ.get(self.api_key_env)
        if not key:
            raise ConfigError(f"api_key_env: the environment variable {self.api_key_env} is not set")
        return key
