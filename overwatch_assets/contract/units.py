"""Units of columns, as their documentation says them: at its start, or after a comma."""

import re

from overwatch_assets.contract.view import Column

_WORDS = {
    "dollars": "USD",
    "usd": "USD",
    "usd per hour": "USD per hour",
    "dollars a dbu": "USD per DBU",
    "dbus": "DBU",
    "hours": "h",
    "core hours": "core h",
    "seconds": "s",
    "minutes": "min",
    "byte": "bytes",
}
_UNIT = (
    "epoch ms|ms|USD per hour|USD|dollars|seconds|hours|bytes|GiB|MB",
    "Core hours|Hours|Minutes|Seconds|DBUs|Dollars a DBU|Byte",
)
_SAID = re.compile(rf"[,;] (?P<last>{_UNIT[0]})\b|^(?P<first>{_UNIT[1]})\b|^The same in (?P<same>hours)\b")
EPOCH_MS = "epoch ms"


def unit(column: Column) -> str:
    """The unit of a number; empty: it is an id, a count or a ratio, or no number."""
    if column.type not in ("int", "bigint", "double"):
        return ""
    said = list(_SAID.finditer(column.doc))
    # "DBUs of the driver, dollars" is an amount of money: what is said last counts.
    word = next((w for match in reversed(said) for w in match.groups() if w), "")
    return _WORDS.get(word.lower(), word)
