"""Options that several verbs share: the environment's arguments, the model, typed values."""

import argparse
import json
import os
from collections.abc import Sequence
from typing import Any

from gym_llm.errors import ConfigError


def add_env_options(parser: argparse.ArgumentParser) -> None:
    """Add ``--tasks`` and ``--env-arg``."""
    parser.add_argument(
        "--tasks", default="example", help="split, 'generated', or a JSONL file (default: example)"
    )
    parser.add_argument(
        "--on-bad-row",
        choices=("error", "skip"),
        default="error",
        help="what a bad row of the task file does",
    )
    parser.add_argument(
        "--env-arg",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="argument of the environment; the value is read as JSON, else as text",
    )


def env_kwargs(args: argparse.Namespace) -> dict[str, Any]:
    """Return the environment's arguments that the options ask for."""
    kwargs = {"tasks": args.tasks, "on_bad_row": args.on_bad_row}
    return {k: v for k, v in kwargs.items() if v not in ("example", "error")} | pairs(
        args.env_arg, "--env-arg"
    )


def pairs(items: Sequence[str], option: str) -> dict[str, Any]:
    """Read ``NAME=VALUE`` options.

    Raises:
        ConfigError: an item has no ``=``.
    """
    found = {}
    for item in items:
        name, equals, value = item.partition("=")
        if not equals or not name:
            raise ConfigError(f"{option} needs NAME=VALUE, got {item!r}")
        try:
            found[name] = json.loads(value)
        except ValueError:
            found[name] = value
    return found


def add_model_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that name a model."""
    group = parser.add_argument_group("model (or GYM_LLM_MODEL, GYM_LLM_BASE_URL, GYM_LLM_API_KEY)")
    group.add_argument("--model", default=os.environ.get("GYM_LLM_MODEL"))
    group.add_argument("--base-url", default=os.environ.get("GYM_LLM_BASE_URL"))
    group.add_argument(
        "--api-key-env", default="GYM_LLM_API_KEY", help="environment variable that holds the key"
    )
    group.add_argument("--api", choices=("chat", "responses"), default="chat")
    group.add_argument(
        "--param",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="sampling parameter, e.g. temperature=0.7",
    )
    group.add_argument(
        "--timeout", type=float, default=600.0, help="seconds for one model call (default: 600)"
    )
    group.add_argument("--retries", type=int, default=3, help="retries of one model call (default: 3)")
    group.add_argument("--send-seed", action="store_true", help="send each rollout's seed to the model")


def endpoint_config(args: argparse.Namespace) -> dict[str, Any] | None:
    """Return the configuration of the model endpoint; None when no model is named.

    Raises:
        ConfigError: a model without a base URL.
    """
    if not args.model:
        if args.base_url:
            raise ConfigError("--base-url is given but no --model")
        return None
    if not args.base_url:
        raise ConfigError("--model needs --base-url (or GYM_LLM_BASE_URL)")
    return {
        "base_url": args.base_url,
        "model": args.model,
        "api_key": os.environ.get(args.api_key_env),
        "api": args.api,
        "params": pairs(args.param, "--param"),
        "timeout_s": args.timeout,
        "max_retries": args.retries,
        "max_concurrency": args.concurrency,
    }
