import gzip
import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from fsspec.implementations.local import LocalFileSystem
from pyspark.sql import SparkSession

from overwatch_assets.contract.registry import tables
from overwatch_assets.errors import SourceError
from overwatch_assets.runner.state import QUARANTINE
from overwatch_assets.sources.audit_logs import folders
from overwatch_assets.sources.event_logs import codecs
from overwatch_assets_tests.sources.loading import DAY1, DAY2, DAY3, NOON, START, World, at, event

pytestmark = pytest.mark.engine

AUDIT = tables()["audit_log_bronze"]
GET = event("clusters", "get", {"cluster_id": "c1"})


@pytest.fixture
def world(spark: SparkSession, tmp_path: Path) -> World:
    (tmp_path / "audit").mkdir()
    return World(spark, tmp_path, {})


def key(row: dict[str, Any]) -> tuple[Any, ...]:
    return (row["timestamp"] or 0, row["actionName"], row["requestId"] or "", row["lineHash"])


def test_loading_again_adds_nothing_also_where_the_request_id_is_null(world: World) -> None:
    nameless = [event("clusters", "get", requestId=None), event("clusters", "list", requestId=None)]
    world.deliver(DAY2, "a.json", [GET, *nameless])
    world.deliver(DAY2, "b.json", [*nameless, nameless[0]])
    first = world.load("audit_log_bronze", DAY2)
    assert first.counts == {"files read": 2, "inserted": 3, "duplicates": 3}
    (world.audit / "date=2024-05-02/b.json").unlink()
    assert world.load("audit_log_bronze", DAY2).counts == {"files read": 1}
    shutil.copy(world.audit / "date=2024-05-02/a.json", world.audit / "date=2024-05-02/copy.json")
    assert world.load("audit_log_bronze", DAY2).counts == {"files read": 2, "duplicates": 3}
    assert [r["requestId"] for r in sorted(world.rows("audit_log_bronze"), key=key)] == [None, "r1", None]


def test_a_record_lies_on_its_own_day_whatever_folder_it_came_in(world: World) -> None:
    last_ms = event("jobs", "late", timestamp=START + 86_400_000 - 1)
    next_day = event("jobs", "early", timestamp=START + 86_400_000)
    untimed = event("jobs", "untimed", timestamp=None)
    world.deliver(DAY3, "a.json", [last_ms, next_day, untimed])
    world.deliver(DAY2, "a.json", [last_ms])
    world.load("audit_log_bronze", DAY3)
    world.load("audit_log_bronze", DAY2)
    found = {r["actionName"]: r["date"] for r in world.rows("audit_log_bronze")}
    assert found == {"late": DAY2, "early": DAY3, "untimed": DAY3}
    assert len(world.rows("audit_log_bronze")) == 3


def test_days_in_any_order_and_in_one_window_give_the_same_rows(spark: SparkSession, tmp_path: Path) -> None:
    rows = []
    for name, loads in {"one": [(DAY1, DAY2, DAY3)], "back": [(DAY3,), (DAY1,), (DAY2,)]}.items():
        world = World(spark, tmp_path / name, {})
        for n, day in enumerate((DAY1, DAY2, DAY3)):
            world.deliver(
                day, "x.json", [event("a", "b", {"n": k}, timestamp=NOON + k * 1000) for k in range(n, n + 3)]
            )
        for days in loads:
            world.load("audit_log_bronze", *days)
        rows.append(sorted(world.rows("audit_log_bronze"), key=key))
    assert rows[0] == rows[1]
    assert len(rows[0]) == 5


def test_what_is_no_record_goes_to_quarantine_and_the_rest_loads(world: World) -> None:
    file = world.deliver(
        DAY2,
        "a.json",
        [
            GET,
            "",
            "not json",
            "[1]",
            {"serviceName": "jobs"},
            {"actionName": "x", "serviceName": 3},
            '{"serviceName":"jobs","actionName":"x","requestParams":{"password":"hunter2"',
        ],
    )
    with file.open("ab") as more:
        more.write(b'{"serviceName":"a","actionName":"\xff","token":"hunter2"}\n')
        more.write(b'{"serviceName":"jobs","actionName":"last line without an end"}')
    result = world.load("audit_log_bronze", DAY2)
    assert result.counts == {"files read": 1, "inserted": 2, "quarantined": 6}
    bad = sorted(world.rows("quarantine_bronze"), key=lambda r: r["line"])
    assert [(r["location"], r["line"]) for r in bad] == [(str(file), n) for n in range(3, 9)]
    assert [re.split(r"[:;]", r["reason"])[0] for r in bad] == [
        "not JSON",
        "not a JSON object",
        "no actionName",
        "no serviceName",
        "not JSON",
        "invalid UTF-8 at byte 33 of the line",
    ]
    assert bad[4]["content"] == '{"serviceName":"jobs","actionName":"x","requestParams":{"password":""'
    assert bad[5]["content_bytes"] == b'{"serviceName":"a","actionName":"\xff","token":""}'
    assert world.load("audit_log_bronze", DAY2).counts == {"files read": 1}
    assert len(world.rows("quarantine_bronze")) == 6


def test_a_folder_without_a_single_record_is_all_quarantine(world: World) -> None:
    world.deliver(DAY2, "a.json", ["not json", "[1]"])
    assert world.load("audit_log_bronze", DAY2).counts == {"files read": 1, "quarantined": 2}


def test_records_of_times_that_cannot_be_are_in_quarantine_and_the_rest_loads(world: World) -> None:
    """A run that starts in the year 2100 or in 1969 would cost what no run costs."""
    far, before = (event("jobs", "runStart", {"runId": "1"}, timestamp=ms) for ms in (4102444800000, -NOON))
    file = world.deliver(DAY2, "a.json", [GET, far, before, event("jobs", "runStart", timestamp=START - 1)])
    result = world.load("audit_log_bronze", DAY2)
    assert result.counts == {"files read": 1, "inserted": 2, "quarantined": 2}
    bad = sorted(world.rows("quarantine_bronze"), key=lambda r: r["line"])
    assert [(r["location"], r["line"], r["reason"]) for r in bad] == [
        (str(file), 2, "timestamp after the day of its delivery"),
        (str(file), 3, "timestamp not after 1970"),
    ]
    assert {r["date"] for r in world.rows("audit_log_bronze")} == {DAY1, DAY2}


def test_compressed_files_and_a_damaged_one(world: World) -> None:
    line = b'{"serviceName":"s","actionName":"%d"}\n'
    whole = gzip.compress(b"".join(line % n for n in range(1000)))
    folder = world.deliver(DAY2, "plain.json", [event("s", "plain")]).parent
    (folder / "a.json.gz").write_bytes(whole)
    (folder / "b.json.gz").write_bytes(gzip.compress(b"".join(line % n for n in range(2000, 4000)))[:-2000])
    (folder / "_SUCCESS").write_bytes(b"")
    result = world.load("audit_log_bronze", DAY2)
    assert result.counts["files read"] == 3
    assert result.counts["quarantined"] == 1
    actions = {r["actionName"] for r in world.rows("audit_log_bronze")}
    assert {"plain", *(str(n) for n in range(1000)), "2000"} <= actions
    assert "3999" not in actions
    (bad,) = world.rows("quarantine_bronze")
    assert bad["location"] == str(folder / "b.json.gz")
    assert bad["reason"].startswith("truncated gz stream")


@pytest.mark.parametrize("refused", [1, 2], ids=["looked through", "read"])
def test_a_file_that_the_storage_refuses_fails_the_day_and_is_read_by_the_next_load(
    world: World, monkeypatch: pytest.MonkeyPatch, refused: int
) -> None:
    """Each file is opened twice: for what is no record, and for the records."""
    gets = [event("clusters", "get", requestId=f"r{n}") for n in range(5)]
    world.deliver(DAY2, "a.json", [*gets[:2], "not json"])
    world.deliver(DAY2, "b.json", gets[2:])
    opens, opened = [0], codecs._open

    def now_and_then(fs: Any, path: str) -> Any:
        if path.endswith("a.json"):
            opens[0] += 1
            if opens[0] == refused:
                raise OSError(5, "503 Slow Down", path)
        return opened(fs, path)

    monkeypatch.setattr(codecs, "_open", now_and_then)
    said = (
        "audit_log_bronze of workspace 123 lacks what could not be read for 2024-05-02: "
        rf"{re.escape(str(world.audit))}/date=2024-05-02/a\.json.*: the file can't be read: OSError: 503 Slow Down\. "
        "Load that again$"
    )
    with pytest.raises(SourceError, match=f"^{said}"):
        world.load("audit_log_bronze", DAY2)
    (report,) = world.rows("pipeline_report")
    assert report["status"].startswith("FAILED --> SourceError: ")
    found = {row["requestId"] for row in world.rows("audit_log_bronze")}
    assert found == ({"r2", "r3", "r4"} if refused == 1 else set())
    assert world.load("audit_log_bronze", DAY2).status == "SUCCESS"
    assert {row["requestId"] for row in world.rows("audit_log_bronze")} == {"r0", "r1", "r2", "r3", "r4"}
    assert [row["reason"][:8] for row in world.rows("quarantine_bronze")] == ["not JSON"]


@pytest.mark.parametrize("kind", ["json", "parquet"])
def test_a_folder_that_the_storage_refuses_fails_the_day(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    world = World(spark, tmp_path, {"audit_log_format": kind})
    world.deliver(DAY2, "a.json", [GET])
    listed = LocalFileSystem.ls

    def refused(self: Any, path: str, detail: bool = False, **options: Any) -> Any:
        if "date=" in path:
            raise PermissionError(13, "Permission denied", path)
        return listed(self, path, detail, **options)

    monkeypatch.setattr(LocalFileSystem, "ls", refused)
    with pytest.raises(SourceError, match=r"/date=2024-05-02: PermissionError: Permission denied\. Load that again$"):
        world.load("audit_log_bronze", DAY2)


def test_a_compressed_file_is_read_on_where_the_chunk_before_ended(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is planned as if it grew three hundredfold; what is planned behind its end is not read."""
    monkeypatch.setattr(folders, "_FRAME_BYTES", 1 << 16)
    line = b'{"serviceName":"s","actionName":"%d","userAgent":"%s"}\n'
    whole = b"".join(line % (n, b"x" * 150) for n in range(1000))
    file = world.deliver(DAY2, "plain.json", [GET]).parent / "a.json.gz"
    file.write_bytes(gzip.compress(whole))
    assert file.stat().st_size * 300 > 14 << 16
    opens, opened = [0], codecs._open

    def counted(fs: Any, path: str) -> Any:
        opens[0] += path.endswith(".gz")
        return opened(fs, path)

    monkeypatch.setattr(codecs, "_open", counted)
    assert world.load("audit_log_bronze", DAY2).counts == {"files read": 2, "inserted": 1001}
    assert opens[0] == 2 * -(-len(whole) // (1 << 16))
    lines = {r["actionName"]: r["fileLine"] for r in world.store.read(AUDIT).collect() if r["serviceName"] == "s"}
    assert lines == {str(n): n + 1 for n in range(1000)}


def test_a_damaged_file_that_is_delivered_whole_is_in_quarantine_no_more(world: World) -> None:
    """Its line that is no record still is, and so is what is wrong with other files."""
    lines = [b'{"serviceName":"s","actionName":"%d"}\n' % n for n in range(1000)]
    whole = gzip.compress(b"".join([b"not json\n", *lines]))
    folder = world.deliver(DAY2, "other.json", ["[1]"]).parent
    (folder / "a.json.gz").write_bytes(whole[: len(whole) // 2])
    world.load("audit_log_bronze", DAY2)
    reasons = sorted(row["reason"][:9] for row in world.rows("quarantine_bronze"))
    assert reasons == ["not JSON:", "not a JSO", "truncated"]
    (folder / "a.json.gz").write_bytes(whole)
    world.load("audit_log_bronze", DAY2)
    assert sorted(row["reason"][:9] for row in world.rows("quarantine_bronze")) == ["not JSON:", "not a JSO"]
    assert len(world.rows("audit_log_bronze")) == 1000
    before = world.store.version(QUARANTINE)
    world.load("audit_log_bronze", DAY2)
    assert world.store.version(QUARANTINE) == before


def test_secrets_are_in_no_file_of_the_tables(world: World) -> None:
    nested = '{"spark_conf":{"fs.azure.account.key.x":"hunter2\\"!"},"a":1}'
    params = {
        "token": "hunter2",
        "new_settings": nested,
        "idempotency_token": "kept",
        "publicKey": "ssh-rsa AAA",
        "spark_env_vars": '{"DB_PASSWORD":"hunter2","MODE":"x"}',
    }
    world.deliver(
        DAY2, "a.json", [event("clusters", "create", params, response={"result": '{"token_value":"hunter2"}'})]
    )
    world.load("audit_log_bronze", DAY2)
    (row,) = world.rows("audit_log_bronze")
    assert row["droppedProperties"] == 4
    assert row["requestParams"]["idempotency_token"] == "kept"
    assert row["requestParams"]["publicKey"] == "ssh-rsa AAA"
    assert row["requestParams"]["new_settings"] == '{"spark_conf":{},"a":1}'
    assert row["requestParams"]["spark_env_vars"] == '{"MODE":"x"}'
    assert "hunter2" not in str(row)
    files = [f for f in (world.folder / "ow").rglob("*") if f.is_file()]
    assert files
    assert not [f for f in files if b"hunter2" in f.read_bytes()]


def test_secrets_of_a_refused_record_are_not_in_quarantine(world: World) -> None:
    inner = '{"credentials":{"value":"hunter2"},"secrets":["hunter2"],"a":1}'
    params = {"settings": inner, "parameters": [{"name": "db_password", "default": "hunter2"}]}
    record = {
        "serviceName": "jobs",
        "requestParams": params,
        "credentials": {"value": "hunter2"},
        "secrets": ["hunter2"],
    }
    world.deliver(DAY2, "a.json", [record])
    assert world.load("audit_log_bronze", DAY2).counts["quarantined"] == 1
    (row,) = world.rows("quarantine_bronze")
    left = {"serviceName": "jobs", "requestParams": {"settings": '{"a":1}', "parameters": [{"name": "db_password"}]}}
    assert (row["reason"], json.loads(row["content"])) == ("no actionName", left)


def test_days_without_a_folder_are_empty_and_named(world: World) -> None:
    world.deliver(DAY2, "a.json", [GET])
    (world.audit / "date=2024-05-03").mkdir()
    (world.audit / "date=2024-06-31").mkdir()
    one = world.load("audit_log_bronze", DAY1)
    assert one.status == f"EMPTY: no folder for 2024-05-01 under {world.audit}"
    assert one.counts == {"no folder date=2024-05-01": 1}
    assert world.load("audit_log_bronze", DAY3).status == f"EMPTY: no file for 2024-05-03 under {world.audit}"
    both = world.load("audit_log_bronze", DAY1, DAY2)
    assert (both.status, both.counts["no folder date=2024-05-01"], both.counts["inserted"]) == ("SUCCESS", 1, 1)


def test_sources_that_are_not_configured_are_empty(spark: SparkSession, tmp_path: Path) -> None:
    azure = World(spark, tmp_path / "a", {"cloud": "Azure", "auditlogprefix_source_path": None})
    assert azure.load("audit_log_bronze", DAY1).status.startswith("EMPTY: source not configured")
    excluded = World(spark, tmp_path / "b", {"excluded_scopes": "audit"})
    assert excluded.load("audit_log_bronze", DAY1).status == "EMPTY: the scope audit is excluded"


@pytest.mark.parametrize(
    ("folders", "sentence"),
    [
        ([], "There is nothing at {audit}: check auditlogprefix_source_path."),
        (["workspaceId=1/date=2024-05-01"], "{audit} has no date=yyyy-MM-dd folder, but workspaceId=1: "),
        (["date=2024-05-01", "_delta_log"], "{audit} is a Delta table: "),
    ],
)
def test_a_wrong_prefix_is_one_sentence(spark: SparkSession, tmp_path: Path, folders: list[str], sentence: str) -> None:
    world = World(spark, tmp_path, {})
    for folder in folders:
        (world.audit / folder).mkdir(parents=True)
    with pytest.raises(SourceError, match="^" + re.escape(sentence.format(audit=world.audit))):
        world.load("audit_log_bronze", DAY1)
    (report,) = world.rows("pipeline_report")
    assert report["status"].startswith("FAILED --> SourceError: ")


def test_a_window_cut_at_now_reads_the_whole_folder(world: World) -> None:
    world.deliver(DAY2, "a.json", [event("s", "later", timestamp=NOON + 3_600_000)])
    world.load("audit_log_bronze", DAY2, now=at(DAY2, 6))
    assert [r["actionName"] for r in world.rows("audit_log_bronze")] == ["later"]
