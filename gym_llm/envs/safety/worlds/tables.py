"""The tables behind the worlds: one YAML file a domain, and one that all domains share."""

import functools
from pathlib import Path
from typing import Any, Literal

import yaml

FOLDER = Path(__file__).parents[1] / "data" / "worlds"

Domain = Literal[
    "healthcare",
    "hr",
    "ecommerce",
    "education",
    "insurance",
    "it_helpdesk",
    "legal",
    "logistics",
    "real_estate",
]


@functools.cache
def load_domain(domain: str) -> dict[str, Any]:
    """Return the table of a domain: assistant, tools, and the templates of generated tasks."""
    return _load(domain)


@functools.cache
def load_common() -> dict[str, Any]:
    """Return what the domains share: argument types, message tools, verification keys, attack texts."""
    return _load("common")


def _load(name: str) -> dict[str, Any]:
    text = (FOLDER / f"{name}.yaml").read_text(encoding="utf-8")
    # The loader written in C, where PyYAML has it, is about ten times as fast.
    table: dict[str, Any] = yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    return table
