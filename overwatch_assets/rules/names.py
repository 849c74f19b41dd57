"""Column names of payloads, as Overwatch scrubbed them, and property names that must not be stored."""

import re

from pyspark.sql import Column
from pyspark.sql import functions as F

SECRET_NAME = (
    r"token|secret|passw|passphrase|credential|access\.?key|account\.?key|private\.?key|encryption\.?key|api\.?key"
    r"|shared\.?access|\.sas\."
)
"""What a property's name contains when its value is a secret. Without look-around, which Sail has not."""

_PAIR = rf'"[^"\\]*(?i:{SECRET_NAME})[^"\\]*"\s*:\s*"(?:[^"\\]|\\.)*"'
_PAIR_AND_COMMA = rf"(?:,\s*{_PAIR})|(?:{_PAIR}\s*,)|(?:{_PAIR})"


def scrubbed(ddl: str) -> str:
    """A struct's DDL with Overwatch's names: white space deleted, other characters than letters and digits to ``_``."""
    return re.sub(r"`([^`]+)`", lambda m: re.sub(r"[^A-Za-z0-9]", "_", re.sub(r"\s", "", m.group(1))), ddl)


def without_secrets(json: Column) -> Column:
    """JSON text without the pairs whose name is a secret's and whose value is text; still valid JSON."""
    return F.regexp_replace(json, _PAIR_AND_COMMA, "")


def is_secret(name: Column) -> Column:
    """Whether a property of this name is dropped."""
    return name.rlike(f"(?i){SECRET_NAME}")


def spark_properties(properties: Column) -> Column:
    """Spark properties as bronze keeps them: no secrets, names without white space and dots, the rest to ``_``."""
    kept = F.filter(F.map_entries(properties), lambda e: ~is_secret(e["key"]))
    return F.map_from_entries(
        F.transform(
            kept,
            lambda e: F.struct(
                F.regexp_replace(F.regexp_replace(e["key"], r"[\s.]", ""), "[^A-Za-z0-9]", "_").alias("key"),
                e["value"].alias("value"),
            ),
        )
    )
