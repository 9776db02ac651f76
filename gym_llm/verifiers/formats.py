"""Parsing JSON, YAML, XML, TOML and CSV that a model wrote: bounded in size, depth and time.

A text beyond a bound is refused as if it could not be parsed. The limits on length keep the slowest
input of each format, on the parser used here, around a second.
"""

import csv
import functools
import io
import json
import re
import tomllib
from collections.abc import Callable
from typing import Any, Literal
from xml.parsers.expat import ExpatError

import xmltodict
import yaml

from gym_llm.errors import UnknownNameError

Format = Literal["json", "yaml", "xml", "toml", "csv"]

MAX_CHARS: dict[str, int] = {
    "json": 1 << 20,
    "csv": 1 << 20,
    "xml": 1 << 19,
    "toml": 1 << 18,
    "yaml": 1 << 17,
}
MAX_DEPTH = 64
MAX_NODES = 50_000
CHARS_PER_NODE = 32
"""This many characters of text count as one node, so that aliases cannot multiply long texts."""

MAX_INT_BITS = 14_000
"""Python writes integers of at most 4300 decimal digits."""


class FormatError(ValueError):
    """The text is not of the format, or is beyond a bound."""


def parse_format(text: str, name: Format) -> Any:
    """Return the value of a text in one of the formats.

    XML gives the dict of ``xmltodict`` (root element as the one key, attributes as ``@name``), CSV a
    list of dicts of text.

    >>> parse_format("<a><b>1</b><b/></a>", "xml")
    {'a': {'b': ['1', None]}}

    Raises:
        FormatError: the text cannot be parsed, or is beyond a bound.
        UnknownNameError: there is no such format.
    """
    if name not in _PARSERS:
        raise UnknownNameError("format", name, _PARSERS)
    if len(text) > MAX_CHARS[name]:
        raise FormatError(f"more than {MAX_CHARS[name]} characters of {name}")
    try:
        value = _PARSERS[name](text)
    except FormatError:
        raise
    except (ExpatError, yaml.YAMLError, csv.Error) as error:
        raise FormatError(f"{type(error).__name__}: {error}") from error
    # YAML's constructors raise whatever Python's own conversions do: an odd date, a key without a hash.
    except (ValueError, TypeError, LookupError, AttributeError, OverflowError, RecursionError) as error:
        raise FormatError(f"{type(error).__name__}: {error}") from error
    check_size(value)
    return value


def check_size(value: Any) -> None:
    """Check that a value has at most ``MAX_DEPTH`` levels and ``MAX_NODES`` nodes, and no huge integer.

    Parts that are shared, as YAML's aliases make them, count each time.

    Raises:
        FormatError: it is deeper or larger.
    """
    level, nodes = [value], 0
    for _ in range(MAX_DEPTH):
        nodes += sum(map(_weight, level))
        if nodes > MAX_NODES:
            raise FormatError(f"more than {MAX_NODES} values")
        level = [child for item in level for child in _children(item)]
        if not level:
            return
    raise FormatError(f"nested deeper than {MAX_DEPTH} levels")


def _weight(item: Any) -> int:
    if isinstance(item, dict | list | tuple | set):
        return len(item)
    if isinstance(item, int) and item.bit_length() > MAX_INT_BITS:
        raise FormatError(f"an integer of more than {MAX_INT_BITS} bits")
    return len(item) // CHARS_PER_NODE if isinstance(item, str | bytes) else 0


def _children(item: Any) -> Any:
    if isinstance(item, dict):
        return item.values()
    return item if isinstance(item, list | tuple | set) else ()


def _parse_xml(text: str) -> Any:
    # Entities multiply text, and default attributes cost time for every element.
    if "<!ENTITY" in text or "<!ATTLIST" in text:
        raise FormatError("declarations of entities and attributes are refused")
    return xmltodict.parse(text)


_LONG_KEY = re.compile(
    r"""(?<![\w-])(?:(?:[\w-]++|"[^"\n]*+"|'[^'\n]*+')[ \t]*+\.[ \t]*+){32}""", re.ASCII
)


def _parse_toml(text: str) -> Any:
    # tomllib takes quadratic time in the number of parts of a dotted key.
    if _LONG_KEY.search(text):
        raise FormatError("a dotted key of more than 32 parts")
    return tomllib.loads(text)


def _parse_csv(text: str) -> Any:
    """Do what ``csv.DictReader`` does, counting cells before they are made."""
    # Blank lines are skipped, a leading one too.
    rows = [row for row in csv.reader(io.StringIO(text)) if row]
    if not rows:
        raise FormatError("no header line")
    header, *records = rows
    if len(header) * len(records) > MAX_NODES:
        raise FormatError(f"more than {MAX_NODES} cells")
    return [_record(header, cells) for cells in records]


def _record(header: list[str], cells: list[str]) -> dict[str | None, Any]:
    record: dict[str | None, Any] = dict(zip(header, cells, strict=False))
    if len(cells) > len(header):
        record[None] = cells[len(header) :]
    return {**record, **dict.fromkeys(header[len(cells) :])}


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """The safe loader, with bounds on what merge keys and numbers in base 60 can grow to."""

    merged = 0

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        """Resolve merge keys; each may double the mapping, so the pairs are counted before."""
        for key, value in node.value:
            if key.tag == "tag:yaml.org,2002:merge":
                self._count(value.value if isinstance(value, yaml.SequenceNode) else [value])
        super().flatten_mapping(node)

    def _count(self, sources: list[yaml.Node]) -> None:
        for source in sources:
            if isinstance(source, yaml.MappingNode):
                self.flatten_mapping(source)
                self.merged += len(source.value)
                if self.merged > MAX_NODES:
                    raise FormatError(f"merge keys make more than {MAX_NODES} pairs")

    def construct_short_int(self, node: yaml.ScalarNode) -> int:
        """Construct an integer of at most ``MAX_INT_BITS`` characters: base 60 takes quadratic time."""
        if len(node.value) > MAX_INT_BITS:
            raise FormatError(f"an integer of more than {MAX_INT_BITS} characters")
        return int(super().construct_yaml_int(node))


_Loader.add_constructor("tag:yaml.org,2002:int", _Loader.construct_short_int)

_PARSERS: dict[str, Callable[[str], Any]] = {
    "json": json.loads,
    "yaml": functools.partial(yaml.load, Loader=_Loader),
    "xml": _parse_xml,
    "toml": _parse_toml,
    "csv": _parse_csv,
}
