"""Endpoint: where a model is served and how it is called, as plain data."""

import os
import re
import urllib.parse
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from typing import Any, Literal, get_args

from gym_llm.errors import ConfigError, UnknownNameError
from gym_llm.models.cost import Prices
from gym_llm.models.wire import Api

TransportName = Literal["aiohttp", "openai"]

FROM_ENVIRONMENT = "env:"
"""Beginning of a header's value that is the name of a variable."""

_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


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
    key_header: str = "Authorization"
    """Header that carries the key; ``Authorization`` has it as a bearer token, others as it is."""
    api: Api = "chat"
    api_version: str | None = None
    """Sent as ``?api-version=``; Azure's deployment URLs need one."""
    # Mappings are not hashable: endpoints that differ only there are told apart by comparison.
    headers: Mapping[str, str] = field(default_factory=dict, hash=False, repr=False)
    """Sent with every request; ``"env:NAME"`` takes the value from the environment."""
    params: Mapping[str, Any] = field(default_factory=dict, hash=False)
    """Parameters of every request: ``temperature``, ``max_tokens``, ...; None leaves one out."""
    extra_body: Mapping[str, Any] = field(default_factory=dict, hash=False)
    """Put into the body of every request as it is, after everything else."""
    send_seed: bool = False
    """Send each rollout's seed as ``seed``; not every server accepts it."""
    prices: Mapping[str, float] | None = field(default=None, hash=False)
    """``input``, ``output`` and, where they differ, ``cached_input``: of a million tokens."""
    max_concurrency: int = 64
    """Requests in flight from one process, and connections."""
    max_retries: int = 3
    retry_ratio: float = 0.2
    """Retries in the long run, as a share of all calls (see `gym_llm.models.retries`)."""
    timeout_s: float = 600.0
    """Deadline of one attempt."""
    retry_delay_s: float = 0.5
    """Wait before the first retry, doubled before each further one, unless the server says how long."""
    developer_role: bool = False
    """Send the role ``developer`` as it is; many servers know only ``system``."""
    transport: TransportName = "aiohttp"
    """``openai`` sends by OpenAI's client, at several times the CPU."""

    def __post_init__(self) -> None:
        _check_url(self.base_url)
        if not isinstance(self.model, str) or not self.model:
            raise ConfigError(f"model must be the name of a model, got {self.model!r}")
        for name, known in (("api", get_args(Api)), ("transport", get_args(TransportName))):
            if getattr(self, name) not in known:
                raise ConfigError(f"{name} must be one of {known}, got {getattr(self, name)!r}")
        for name in ("headers", "params", "extra_body"):
            if not isinstance(getattr(self, name), Mapping):
                raise ConfigError(f"{name} must be a dict, got {type(getattr(self, name)).__name__}")
        for name in ("send_seed", "developer_role"):
            if not isinstance(getattr(self, name), bool):
                raise ConfigError(f"{name} must be true or false, got {getattr(self, name)!r}")
        if self.api_key is not None and self.api_key_env is not None:
            raise ConfigError("api_key and api_key_env are both given")
        for name in ("api_key", "api_key_env", "api_version"):
            if not isinstance(getattr(self, name), str | None):
                raise ConfigError(f"{name} must be a text, got {type(getattr(self, name)).__name__}")
        _check_headers({self.key_header: "", **self.headers})
        for name, least in (("max_concurrency", 1), ("max_retries", 0)):
            value = getattr(self, name)
            if not isinstance(value, int) or value < least:
                raise ConfigError(f"{name} must be an integer of {least} or more, got {value!r}")
        for name, may_be_zero in (("timeout_s", False), ("retry_delay_s", True), ("retry_ratio", True)):
            value = getattr(self, name)
            if not isinstance(value, int | float) or not (value > 0 or (may_be_zero and value == 0)):
                raise ConfigError(f"{name} must be a positive number, got {value!r}")
        self.price_table()

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

    def key(self) -> str | None:
        """Return the API key, None for servers that need none.

        Raises:
            ConfigError: the variable that should hold it is not set.
        """
        if self.api_key_env is None:
            return self.api_key or None
        return _variable(self.api_key_env, "api_key_env")

    def request_headers(self) -> dict[str, str]:
        """Return the headers of every request, the key's among them.

        Raises:
            ConfigError: a variable that should hold a value is not set.
        """
        found = {}
        if key := self.key():
            if self.key_header.lower() == "authorization":
                found["Authorization"] = f"Bearer {key}"
            else:
                found[self.key_header] = key
        for name, value in self.headers.items():
            is_named = value.startswith(FROM_ENVIRONMENT)
            variable = value.removeprefix(FROM_ENVIRONMENT)
            found[name] = _variable(variable, f"headers: {name}") if is_named else value
        return found

    def secrets(self) -> list[str]:
        """Return what must not be shown: the key and the values of headers that come from variables."""
        named = {n for n, value in self.headers.items() if value.startswith(FROM_ENVIRONMENT)}
        hidden = [value for name, value in self.request_headers().items() if name in named]
        return [text for text in (self.key(), *hidden) if text]

    def price_table(self) -> Prices | None:
        """Return the prices; None where they are not known."""
        return None if self.prices is None else Prices.from_config(self.prices)


def _variable(name: str, place: str) -> str:
    value = os.environ.get(name, "").strip()
    if not value:
        raise ConfigError(f"{place}: the environment variable {name} is not set")
    return value


def _check_url(url: str) -> None:
    if not isinstance(url, str) or not url.startswith(("http://", "https://")):
        raise ConfigError(f"base_url must start with http:// or https://, got {url!r}")
    try:
        parts = urllib.parse.urlsplit(url)
        is_whole = bool(parts.hostname) and parts.port != 0
    except ValueError as error:
        raise ConfigError(f"base_url is no URL: {error}: {url!r}") from None
    if parts.username is not None or parts.password is not None:
        # It would show in manifests and errors.
        raise ConfigError("base_url must not hold a user or password: put them into headers")
    if parts.query or parts.fragment or not is_whole:
        raise ConfigError(f"base_url must be scheme, host and path (see api_version), got {url!r}")


def _check_headers(headers: Mapping[str, str]) -> None:
    for name, value in headers.items():
        if not isinstance(name, str) or not _HEADER_NAME.fullmatch(name):
            raise ConfigError(f"headers: {name!r} is no name of a header")
        if not isinstance(value, str) or not value.isprintable():
            raise ConfigError(f"headers: the value of {name} must be one line of text")
