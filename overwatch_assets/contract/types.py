"""Spark types written as DDL, parsed without a Spark session, so that contracts load in milliseconds."""

import re
from functools import cache

from pyspark.sql import types as T

from overwatch_assets.errors import ConfigurationError

_SIMPLE: dict[str, T.DataType] = {
    "string": T.StringType(),
    "bigint": T.LongType(),
    "int": T.IntegerType(),
    "double": T.DoubleType(),
    "boolean": T.BooleanType(),
    "date": T.DateType(),
    "timestamp": T.TimestampType(),
    "binary": T.BinaryType(),
}
_TOKEN = re.compile(r"\s*(`[^`]+`|\w+|[<>:,])")


@cache
def spark_type(ddl: str) -> T.DataType:
    """The Spark type of a DDL text such as ``array<struct<ID:bigint,Name:string>>``.

    Raises:
        ConfigurationError: the text is not a type of the portable subset (no decimals, no intervals).
    """
    tokens = _TOKEN.findall(ddl)
    if re.sub(r"\s+", "", "".join(tokens)) != re.sub(r"\s+", "", ddl):
        raise ConfigurationError(f"'{ddl}' is not a type: it has characters that no type has")
    parsed, rest = _parse(tokens, ddl)
    if rest:
        raise ConfigurationError(f"'{ddl}' is not a type: '{rest[0]}' follows where it should end")
    return parsed


def _parse(tokens: list[str], ddl: str) -> tuple[T.DataType, list[str]]:
    if not tokens:
        raise ConfigurationError(f"'{ddl}' is not a type: it ends too early")
    head, rest = tokens[0], tokens[1:]
    if head in _SIMPLE:
        return _SIMPLE[head], rest
    if head not in ("array", "map", "struct"):
        raise ConfigurationError(f"'{head}' in '{ddl}' is not a type of the portable subset")
    rest = _expect("<", rest, ddl)
    result: T.DataType
    if head == "array":
        element, rest = _parse(rest, ddl)
        result = T.ArrayType(element)
    elif head == "map":
        key, rest = _parse(rest, ddl)
        value, rest = _parse(_expect(",", rest, ddl), ddl)
        result = T.MapType(key, value)
    else:
        fields = []
        while True:
            name = rest[0].strip("`")
            kind, rest = _parse(_expect(":", rest[1:], ddl), ddl)
            fields.append(T.StructField(name, kind))
            if not rest or rest[0] != ",":
                break
            rest = rest[1:]
        result = T.StructType(fields)
    return result, _expect(">", rest, ddl)


def _expect(token: str, tokens: list[str], ddl: str) -> list[str]:
    if not tokens or tokens[0] != token:
        raise ConfigurationError(f"'{ddl}' is not a type: '{token}' is missing")
    return tokens[1:]
