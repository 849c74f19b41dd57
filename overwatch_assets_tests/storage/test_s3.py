"""The same load with logs and tables on S3 and on this machine's disk gives equal tables."""

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import deltalake
import pytest
from moto.server import ThreadedMotoServer

from overwatch_assets.cli.event_logs import spark_tables
from overwatch_assets.contract.registry import tables
from overwatch_assets.sample.logs import RECORDED
from overwatch_assets_tests.laws.workshop import plain

LOGS = ("stream-spark35.zstd",)


@pytest.fixture
def s3() -> Iterator[dict[str, str]]:
    """An S3 server on loopback with two buckets; the environment that leads a process to it."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    environment = {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ALLOW_HTTP": "true",
    }
    client = boto3.client(
        "s3", endpoint_url=environment["AWS_ENDPOINT_URL"], aws_access_key_id="testing", aws_secret_access_key="testing"
    )
    for bucket in ("logs", "tables"):
        client.create_bucket(Bucket=bucket)
    for log in LOGS:
        client.upload_file(str(RECORDED / log), "logs", f"events/{log}")
    yield environment
    server.stop()


@pytest.mark.engine
def test_tables_on_s3_equal_those_on_disk(s3: dict[str, str], tmp_path: Path) -> None:
    logs = tmp_path / "events"
    logs.mkdir()
    for log in LOGS:
        (logs / log).symlink_to(RECORDED / log)
    local, remote = str(tmp_path / "tables"), "s3://tables/overwatch"
    _load(str(logs), local, {})
    _load("s3://logs/events", remote, s3)
    _load("s3://logs/events", remote, s3)  # and again: nothing is new

    options = {**s3, "AWS_ENDPOINT_URL": s3["AWS_ENDPOINT_URL"]}
    roots = sorted(Path(local).rglob("spark_events_bronze"))
    assert len(roots) == 1
    inside = roots[0].parent.relative_to(local).as_posix()
    compared = 0
    for table in (tables()["spark_events_bronze"], *spark_tables()):
        here = _rows(f"{local}/{inside}/{table.name}", table.compared, None)
        there = _rows(f"{remote}/{inside}/{table.name}", table.compared, options)
        assert here == there, table.name
        compared += sum(here.values())
    assert compared > 300


def _load(logs: str, storage: str, environment: dict[str, str]) -> None:
    command = [sys.executable, "-m", "overwatch_assets", "load-event-logs", logs, "--storage", storage, "--json"]
    done = subprocess.run(command, env={**os.environ, **environment}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def _rows(path: str, columns: tuple[str, ...], options: dict[str, str] | None) -> "Counter[Any]":
    data = deltalake.DeltaTable(path, storage_options=options).to_pyarrow_table(columns=list(columns))
    values = [[plain(v, data.schema.field(n).type) for v in data[n].to_pylist()] for n in data.column_names]
    return Counter(zip(*values, strict=True))
