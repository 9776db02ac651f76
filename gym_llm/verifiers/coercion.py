"""Giving the texts of XML and CSV the types that a JSON schema asks for."""

from typing import Any

_BOOLEANS = {"true": True, "1": True, "false": False, "0": False}


def convert_text(text: str, kind: Any) -> Any:
    """Return a text as the named type of JSON schema; None when it is no value of that type.

    >>> convert_text("3", "integer"), convert_text("TRUE", "boolean"), convert_text("x", "number")
    (3, True, None)
    """
    try:
        if kind == "integer":
            return int(text)
        if kind == "number":
            return float(text)
    except ValueError:
        return None
    if kind == "boolean":
        return _BOOLEANS.get(text.lower())
    return text if kind == "string" else None


def coerce_xml(value: Any, schema: Any) -> Any:
    """Walk value and schema together and convert where the schema names one ``type``.

    A dict with one key becomes the array that it wraps, a single item an array of one, an empty element
    an empty string or array.

    >>> coerce_xml({"n": "3"}, {"type": "object", "properties": {"n": {"type": "integer"}}})
    {'n': 3}
    """
    if not isinstance(schema, dict):
        return value
    kind = schema.get("type")
    if kind == "object":
        return _coerce_object(value, schema.get("properties"))
    if kind == "array":
        return _coerce_array(value, schema.get("items"))
    if value is None and kind == "string":
        return ""
    converted = convert_text(value, kind) if isinstance(value, str) else None
    return value if converted is None else converted


def _coerce_object(value: Any, properties: Any) -> Any:
    if not isinstance(value, dict) or not isinstance(properties, dict):
        return value
    return {key: coerce_xml(item, properties.get(key)) for key, item in value.items()}


def _coerce_array(value: Any, items: Any) -> list[Any]:
    if isinstance(value, dict) and len(value) == 1:
        value = next(iter(value.values()))
    if not isinstance(value, list):
        value = [] if value is None else [value]
    return [coerce_xml(item, items) for item in value]


def coerce_csv(records: Any, schema: Any) -> Any:
    """Convert the cells of each column to the type, or the first type of the list, that fits.

    An empty cell becomes null where the column's list of types allows it.
    """
    columns = _dict(_dict(_dict(schema).get("items")).get("properties"))
    kinds = {name: _dict(column).get("type", "string") for name, column in columns.items()}
    return [
        {name: _coerce_cell(cell, kinds.get(name, "string")) for name, cell in record.items()}
        for record in records
    ]


def _coerce_cell(cell: Any, kind: Any) -> Any:
    if not isinstance(cell, str):
        return cell
    kinds = kind if isinstance(kind, list) else [kind]
    if not cell and isinstance(kind, list) and "null" in kind:
        return None
    found = (value for k in kinds if (value := convert_text(cell, k)) is not None)
    return next(found, cell)


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
