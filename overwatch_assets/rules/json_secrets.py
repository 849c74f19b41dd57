"""Secret properties cut out of JSON that was parsed, and out of text that could not be.

Values that are JSON written as text, which audit logs have at any depth, are looked into.
"""

import re
from collections.abc import Collection, Mapping
from functools import lru_cache
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from overwatch_assets.rules.json_values import parsed, text_of

_SECRET_NAME = (
    r"token|secret|passw|passphrase|credential|(?:access|account|private|encryption|api)[._-]?key|shared[._-]?access"  # noqa: S105 - a pattern of names, no secret
    r"|\.sas\."
)
"""What a property's name contains when its value is a secret. Without look-around, which RE2 has not."""
_SECRET = re.compile(_SECRET_NAME, re.IGNORECASE)
_PARTS = ("token", "secret", "passw", "passphrase", "credential", "key", "shared", "sas")  # every secret's name has one
_NUMBERS = (int, float)  # and booleans, which are numbers to Python
_PAIRED = ("value", "default")
_OPENINGS = frozenset("{[ \t\r\n")  # what JSON as text may begin with
_NAME = re.compile(
    r'"([^"\\]*)(\\*)"\s*:\s*(\2"|[\[{])'
)  # a name and how its value begins, escaped any number of times
_MARK = re.compile(r'(?<!\\)(\\*)"|[\[{\]}]')
_PAIR = rf'"[^"\\]*(?i:{_SECRET_NAME})[^"\\]*"\s*:\s*"(?:[^"\\]|\\.)*(?:"|\\?$)'
_PAIR_AND_COMMA = rf"(?:,\s*{_PAIR})|(?:{_PAIR}\s*,)|(?:{_PAIR})"
_PROPERTIES = r'(?:Properties|modifiedConfigs|extraTags)"\s*:\s*\{'  # only Spark events with these hold secrets


@lru_cache(maxsize=4096)
def is_secret_name(name: str) -> bool:
    """Whether a property of this name is dropped."""
    return _SECRET.search(name) is not None


def cut_secrets(value: Any, keep: Collection[str] = (), *, emptied: bool = False) -> tuple[Any, int]:
    """Return a parsed JSON value without its secret properties, and how many those were.

    A property is dropped if its name is a secret's and its value text, an object or an array; numbers, booleans and
    nulls are none. Of a pair (`{"name": "db_password", "value": "…"}`) it is the value that is dropped. The value
    itself is returned if nothing was dropped.

    Args:
        value: the JSON value; it is not changed.
        keep: names that are no secrets' although they look so.
        emptied: the properties stay, with an empty text each, so that they can be counted again.
    """
    if isinstance(value, dict):
        cut: dict[str, Any] = {}
        dropped = 0
        paired = _PAIRED if _names_a_secret(value, keep) else ()
        for name, inner in value.items():
            if inner is None or isinstance(inner, _NUMBERS):
                cut[name] = inner
            elif name in paired or (is_secret_name(name) and name not in keep):
                dropped += 1
                if emptied:
                    cut[name] = ""
            elif isinstance(inner, str) and inner[:1] not in _OPENINGS:
                cut[name] = inner
            else:
                cut[name], below = cut_secrets(inner, keep, emptied=emptied)
                dropped += below
        return (cut, dropped) if dropped else (value, 0)
    if isinstance(value, list):
        parts = [cut_secrets(inner, keep, emptied=emptied) for inner in value]
        dropped = sum(below for _, below in parts)
        return ([inner for inner, _ in parts], dropped) if dropped else (value, 0)
    if isinstance(value, str) and value.lstrip()[:1] in ("{", "["):  # JSON as text
        lower = value.lower()
        if any(part in lower for part in _PARTS):
            return cut_from_json(value, keep, emptied=emptied)
    return value, 0


def _names_a_secret(value: Mapping[str, Any], keep: Collection[str]) -> bool:
    """Whether an object is a pair of a secret's name and its value: a job's parameter, a tag."""
    if value.keys().isdisjoint(_PAIRED):
        return False
    names = (value.get("name"), value.get("key"))
    return any(isinstance(name, str) and name not in keep and is_secret_name(name) for name in names)


def cut_from_json(text: str, keep: Collection[str] = (), *, emptied: bool = False) -> tuple[str, int]:
    """Return text that is likely JSON without its secret properties, and how many those were.

    As `cut_secrets` does it; where it is no valid JSON after all, as `cut_from_text` does.
    """
    try:
        cut, dropped = cut_secrets(parsed(text), keep, emptied=emptied)
    except (ValueError, RecursionError):  # cut off by who logged it, or nested too deeply
        return cut_from_text(text, keep)
    return (text_of(cut), dropped) if dropped else (text, 0)


def cut_from_text(text: str, keep: Collection[str] = ()) -> tuple[str, int]:
    r"""Return text that is no valid JSON with its secret properties emptied, and how many those were.

    Property names and values, which are text, objects or arrays, are found at any depth of escaping
    (`\"token\":\"…\"`); a value that the text does not close ends with the text.
    """
    parts, at, dropped = [], 0, 0
    for name in _NAME.finditer(text):
        if name.start() < at or name[1] in keep or not is_secret_name(name[1]):
            continue
        parts.append(text[at : name.end()])
        at = _end_of_value(text, name.end(), len(name[2]), in_text=name[3].endswith('"'))
        dropped += 1
    return "".join((*parts, text[at:])), dropped


def _end_of_value(text: str, begin: int, escapes: int, *, in_text: bool) -> int:
    """Where what closes a value stands, of which the quote or the bracket that opens it stands before ``begin``."""
    depth = 0 if in_text else 1  # of brackets
    for mark in _MARK.finditer(text, begin):
        if mark[0].endswith('"'):
            # At this depth an escaped quote has one more doubling of its backslashes than the closing one.
            if len(mark[1]) % (2 * (escapes + 1)) == escapes:
                in_text = not in_text
        elif not in_text:
            depth += 1 if mark[0] in "[{" else -1
        if not in_text and depth == 0:
            return mark.end() - (escapes + 1 if mark[0].endswith('"') else 1)
    return len(text)


def cut_from_bytes(data: bytes) -> bytes:
    """Return bytes that are no text with their secret properties' values emptied, as `cut_from_text` does."""
    return cut_from_text(data.decode("latin-1"))[0].encode("latin-1")


def secrets_in_events(lines: pa.Array) -> pa.Array:
    """How many secret properties each of some Spark events has, JSON text: those with a secret's name and text.

    By expressions that take time linear in the text.
    """
    found = pc.if_else(pc.match_substring_regex(lines, _PROPERTIES), pc.count_substring_regex(lines, _PAIR), 0)
    return pc.cast(pc.fill_null(found, 0), pa.int32())


def cut_from_events(lines: pa.Array) -> pa.Array:
    """Return Spark events without the pairs that `secrets_in_events` counts; still valid JSON."""
    return pc.replace_substring_regex(lines, _PAIR_AND_COMMA, "")
