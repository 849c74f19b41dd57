"""Audit events with values of every other type, of clusters, jobs, users and so on of their own, through all tables."""

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from overwatch_assets.config.fields import Cloud
from overwatch_assets.contract.registry import modules, tables
from overwatch_assets.sample.audit import audit_lines
from overwatch_assets.sample.story import DAYS, SampleWorkspace
from overwatch_assets_tests.laws.workshop import plain
from overwatch_assets_tests.sample.clouds import END, Loaded, load

pytestmark = [pytest.mark.engine, pytest.mark.deep]

JUNK: tuple[Any, ...] = (
    *(
        5,
        -1,
        1e300,
        True,
        None,
        "",
        " ",
        "text",
        "99999999999999999999",
        "-1",
        "null",
        "[]",
        "{}",
        '{"cut":',
        "\x00\ud800",
    ),
    *([1], [None], [[{"a": [1]}]], {"a": {"b": 1}}, {"": ""}, '[{"task_key":7}]', '{"tasks":[5],"name":{}}'),
)
IDS = re.compile(
    r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|(?<!\d)(\d{12}|\d{16})(?!\d)"
    r"|\d{4}-\d{6}-(?:pool-)?[a-z0-9]{8}|\b[0-9a-f]{16}\b|[a-z]+@example\.com"
)


def junk_of(workspace: SampleWorkspace) -> list[bytes]:
    """Each parameter of each kind of record with each kind of junk, and records with junk instead of their parts."""
    kinds = {
        (line.record["serviceName"], line.record["actionName"]): {**line.record, "requestId": "junk"}
        for line in audit_lines(workspace, round(END.timestamp() * 1000))
    }
    made = []
    for record in kinds.values():
        params = record["requestParams"]
        for value in JUNK:
            made += [{**record, "requestParams": {**params, name: value}} for name in params]
            made += [{**record, part: value} for part in ("requestParams", "response", "userIdentity", "requestId")]
            made.append({**record, "requestParams": dict.fromkeys(params, value)})
            made.append({**record, "response": {**record["response"], "result": value}})
    lines = [json.dumps({**record, "timestamp": record["timestamp"] + n}) for n, record in enumerate(made, 1)]
    return [IDS.sub(_another, line).encode() + b"\n" for line in lines]


def _another(found: re.Match[str]) -> str:
    if "@" in found[0]:
        return f"junk-{found[0]}"
    return found[0][:-1] + ("7" if found[0][-1] != "7" else "3")


def spoil(workspace: SampleWorkspace, folder: Path) -> None:
    (folder / "audit-logs" / f"date={DAYS[2]}" / "junk.json").write_bytes(b"".join(junk_of(workspace)))


def rows(loaded: Loaded, name: str) -> "Counter[Any]":
    found = loaded.table(name)
    names = [c for c in tables()[name].compared if c in found.column_names]
    columns = [[plain(v, found.schema.field(n).type) for v in found[n].to_pylist()] for n in names]
    return Counter(zip(*columns, strict=True))


def of_audit() -> list[str]:
    """The tables that need no event logs."""
    spark: set[str] = {"spark_events_bronze"}
    for table in modules():
        if spark & set(table.upstreams):
            spark.add(table.name)
    return [table.name for table in modules() if table.name not in spark]


def test_junk_changes_nothing_of_anything_else(spark: SparkSession, tmp_path: Path) -> None:
    for name in ("clean", "junk"):
        (tmp_path / name).mkdir()
    clean = load(spark, tmp_path / "clean", Cloud.AWS, of_audit())
    junk = load(spark, tmp_path / "junk", Cloud.AWS, of_audit(), spoil=spoil)
    for name in of_audit():
        missing = rows(clean, name) - rows(junk, name)
        assert not missing, (name, tables()[name].compared, next(iter(missing)))
    assert junk.count("audit_log_bronze") > clean.count("audit_log_bronze") + 5_000
    assert junk.count("quarantine_bronze") > clean.count("quarantine_bronze") + 1_000
