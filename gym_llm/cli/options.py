"""Options that several verbs share: the environment's arguments, the model, typed values."""

import argparse
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gym_llm.errors import ConfigError

if TYPE_CHECKING:
    from gym_llm.models import Endpoint


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


def positive(text: str) -> int:
    """Read a number that counts something; a type for ``add_argument``."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"must be 1 or more, got {value}")
    return value


def add_threshold_option(parser: argparse.ArgumentParser) -> None:
    """Add ``--threshold``."""
    parser.add_argument(
        "--threshold",
        type=float,
        metavar="REWARD",
        help="a rollout with this reward or more is a pass (default: the environment decides)",
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
    """Add the options that name a model, and those of its calls; see `gym_llm.models.settings`."""
    group = parser.add_argument_group(
        "model", "options go before the file of models, the file before GYM_LLM_* variables"
    )
    add = group.add_argument
    add(
        "--model",
        default=os.environ.get("GYM_LLM_MODEL"),
        help="a table of the file of models, or a model's own name",
    )
    add("--models", type=Path, metavar="FILE", help="TOML file (or GYM_LLM_MODELS, ./gym_llm.toml)")
    add("--preset", help="openai, azure, vllm, openrouter or fireworks")
    add("--base-url", help="of any compatible server, up to and including /v1")
    add("--api-key-env", metavar="NAME", help="variable with the key (default: GYM_LLM_API_KEY)")
    add("--api", choices=("chat", "responses"), help="default: chat")
    add("--transport", choices=("aiohttp", "openai"), help="openai: OpenAI's client, which is slower")
    add(
        "--param",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="sampling parameter, e.g. temperature=0.7",
    )
    add(
        "--extra-body",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="put into each request as it is, e.g. return_token_ids=true",
    )
    add("--send-seed", action="store_true", help="send each rollout's seed to the model")
    add("--timeout", type=float, metavar="S", help="seconds for one model call (default: 600)")
    add("--retries", type=int, metavar="N", help="retries of one model call (default: 3)")
    add("--requests", type=int, metavar="N", help="model calls in flight (default: as many as rollouts)")
    add("--cache", type=Path, metavar="FILE", help="keep answers in FILE, and do not ask for them again")
    add("--max-cost", type=float, metavar="X", help="stop at this cost; needs prices in the file")


def model_endpoint(args: argparse.Namespace) -> "Endpoint | None":
    """Return the model's endpoint; None when no model is named.

    Raises:
        ConfigError: no server is known for the model, or a value cannot work.
    """
    given = {
        "preset": args.preset,
        "base_url": args.base_url,
        "api_key_env": args.api_key_env,
        "api": args.api,
        "transport": args.transport,
        "params": pairs(args.param, "--param") or None,
        "extra_body": pairs(args.extra_body, "--extra-body") or None,
        "send_seed": args.send_seed or None,
        "timeout_s": args.timeout,
        "max_retries": args.retries,
        "max_concurrency": args.requests,
    }
    options = {name: value for name, value in given.items() if value is not None}
    if not args.model:
        for name in ("base_url", "preset"):
            if name in options:
                raise ConfigError(f"--{name.replace('_', '-')} is given but no --model")
        return None
    from gym_llm.models.settings import find_endpoint

    endpoint = find_endpoint(
        args.model, options, args.models, defaults={"max_concurrency": args.concurrency}
    )
    if args.max_cost is not None and endpoint.prices is None:
        raise ConfigError("--max-cost needs prices in the model's table of the file of models")
    endpoint.request_headers()  # a key that is missing shows now, not with the first call
    return endpoint
