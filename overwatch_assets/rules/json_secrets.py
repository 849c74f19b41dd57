"""Secret properties cut out of JSON that was parsed, and out of text that could not be.

Values that are JSON written as text, which audit logs have at any depth, are looked into.
"""

import re
from collections.abc import Collection
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
_OPENINGS = frozenset("{[ \t\r\n")  # what JSON as text may begin with
_NAME = re.compile(r'"([^"\\]*)(\\*)"\s*:\s*\2"')  # a name and the beginning of its text, escaped any number of times
_QUOTE = re.compile(r'(?<!\\)(\\*)"')
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
    nulls are none. The value itself is returned if nothing was dropped.

    Args:
        value: the JSON value; it is not changed.
        keep: names that are no secrets' although they look so.
        emptied: the properties stay, with an empty text each, so that they can be counted again.
    """
    if isinstance(value, dict):
        cut: dict[str, Any] = {}
        dropped = 0
        for name, inner in value.items():
            if inner is None or isinstance(inner, _NUMBERS):
                cut[name] = inner
            elif is_secret_name(name) and name not in keep:
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
    r"""Return text that is no valid JSON with its secret properties' text emptied, and how many those were.

    Property names and values are found at any depth of escaping (`\"token\":\"…\"`); a value that the text does not
    close ends with the text.
    """
    parts, at, dropped = [], 0, 0
    for name in _NAME.finditer(text):
        if name.start() < at or name[1] in keep or not is_secret_name(name[1]):
            continue
        escapes = len(name[2])
        end = len(text)
        for quote in _QUOTE.finditer(text, name.end()):
            # At this depth an escaped quote has one more doubling of its backslashes than the closing one.
            if len(quote[1]) % (2 * (escapes + 1)) == escapes:
                end = quote.end() - escapes - 1
                break
        parts.append(text[at : name.end()])
        at = end
        dropped += 1
    return "".join((*parts, text[at:])), dropped


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
