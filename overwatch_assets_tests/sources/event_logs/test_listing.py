"""What is a log, told by names, on a local disk and on an object store."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from overwatch_assets.errors import SourceError
from overwatch_assets.sources.event_logs.codecs import Codec
from overwatch_assets.sources.event_logs.listing import ListingFailure, LogFile, find_logs

CLUSTER = "0502-123456-abcd123"
CONTEXT = f"{CLUSTER}/eventlog/{CLUSTER}_10_0_0_7/5312345678901234567"
LOGS = [
    "app-20240502-0001",
    "spark/local-1714653400000.inprogress",
    "spark/application_1714_0001_1.zstd",
    "spark/any name at all.lz4.inprogress",
    "spark/eventlog_v2_app-2/events_1_app-2.zstd",
    "spark/eventlog_v2_app-2/events_2_app-2.zstd.compact",
    "spark/eventlog_v2_app-2/events_10_app-2.zstd",
    "spark/eventlog_v2_application_1714_0003_2/events_1_application_1714_0003_2",
    f"dbr/{CONTEXT}/eventlog",
    f"dbr/{CONTEXT}/eventlog-2024-05-02--13-00.gz",
    "driver/app-3",
]
OTHERS = [
    "_SUCCESS",
    ".app-1.crc",
    "app-1.crc",
    ".hidden/app-9",
    "_temporary/app-9",
    "table/_delta_log/00000000000000000000.json",
    "table/part-0",
    "table/day=1/part-1",
    "data.parquet",
    "spark/eventlog_v2_app-2/appstatus_app-2.inprogress",
    "spark/eventlog_v2_app-2/.events_1_app-2.zstd.crc",
    "spark/eventlog_v2_application_1714_0003_2/appstatus_application_1714_0003_2",
    f"dbr/{CONTEXT}/metadata.txt",
    f"dbr/{CLUSTER}/driver/stdout",
    f"dbr/{CLUSTER}/driver/log4j-2024-05-02-13.log.gz",
    f"dbr/{CLUSTER}/executor/app-1/0/stderr",
    f"dbr/{CLUSTER}/init_scripts/1_setup.sh.stdout.log",
]


@pytest.fixture(params=["local", "memory", "flat"])
def place(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A folder with logs and other files: on disk, in memory, and as an object store that lists flat."""
    if request.param == "local":
        for name in LOGS + OTHERS:
            path = tmp_path / "logs" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"x\n")
        yield f"{tmp_path}/logs"
        return
    fs = fsspec.filesystem("memory")
    if request.param == "flat":
        monkeypatch.setattr(MemoryFileSystem, "async_impl", True)
    for name in LOGS + OTHERS:
        fs.pipe(f"/place/logs/{name}", b"x\n")
    yield "memory://place/logs"
    fs.rm("/place", recursive=True)


def test_logs_are_found_and_nothing_else(place: str) -> None:
    listing = find_logs(place)
    base = place.replace("memory://", "memory:///")
    assert [log.path for log in listing.logs] == sorted(f"{base}/{name}" for name in LOGS)
    assert listing.failures == ()
    assert {log.size for log in listing.logs} == {2}
    assert all(log.modified_ms is not None and log.modified_ms > 1_700_000_000_000 for log in listing.logs)


def test_what_names_tell(place: str) -> None:
    base = place.replace("memory://", "memory:///")
    logs = {log.path.removeprefix(f"{base}/"): log for log in find_logs(place).logs}
    written = {name for name, log in logs.items() if log.in_progress}
    assert written == {
        "spark/local-1714653400000.inprogress",
        "spark/any name at all.lz4.inprogress",
        "spark/eventlog_v2_app-2/events_10_app-2.zstd",  # the last of a folder whose marker says so
        f"dbr/{CONTEXT}/eventlog",
    }
    unfinished = logs["spark/any name at all.lz4.inprogress"]
    assert unfinished.tracked_path == f"{base}/spark/any name at all.lz4"
    assert unfinished.codec is Codec.LZ4
    rolling = logs["spark/eventlog_v2_application_1714_0003_2/events_1_application_1714_0003_2"]
    assert (rolling.rolling_folder, rolling.cluster_id) == ("application_1714_0003_2", None)
    assert logs["spark/eventlog_v2_app-2/events_2_app-2.zstd.compact"].codec is Codec.ZSTD
    rolled = logs[f"dbr/{CONTEXT}/eventlog-2024-05-02--13-00.gz"]
    assert (rolled.cluster_id, rolled.driver_host, rolled.spark_context_id) == (
        CLUSTER,
        "10.0.0.7",
        "5312345678901234567",
    )
    assert rolled.codec is Codec.GZ
    plain = logs["app-20240502-0001"]
    assert (plain.cluster_id, plain.spark_context_id, plain.rolling_folder) == (None, None, None)


@pytest.mark.parametrize("below", ["", "eventlog", f"eventlog/{CLUSTER}_10_0_0_7", "copied"])
def test_databricks_ids_from_wherever_the_listing_begins(tmp_path: Path, below: str) -> None:
    if below == "copied":  # one driver's folder alone
        folder = tmp_path / "elsewhere" / f"{CLUSTER}_10_0_0_7" / "5312345678901234567"
        start = tmp_path / "elsewhere"
    else:
        folder, start = tmp_path / CONTEXT, tmp_path / CLUSTER / below
    folder.mkdir(parents=True)
    (folder / "eventlog").touch()
    (log,) = find_logs(str(start)).logs
    assert (log.cluster_id, log.driver_host, log.spark_context_id) == (CLUSTER, "10.0.0.7", "5312345678901234567")


def test_one_file_is_a_log_whatever_its_name(tmp_path: Path) -> None:
    path = tmp_path / "_odd.parquet"
    path.write_bytes(b"12345")
    os.utime(path, (1_714_653_400.5, 1_714_653_400.5))
    expected = LogFile(str(path), str(path), 5, 1_714_653_400_500, Codec.PLAIN)
    assert find_logs(str(path)).logs == (expected,)
    assert find_logs(f"file://{path}").logs == (expected,)


def test_a_missing_path_and_an_unknown_protocol_are_errors(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"^There is nothing at .*/none: check the path of the event logs\.$"):
        find_logs(f"{tmp_path}/none")
    with pytest.raises(SourceError, match=r"memory://nowhere/none"):
        find_logs("memory://nowhere/none")
    with pytest.raises(SourceError, match=r"^The event logs at nope://x can't be reached: "):
        find_logs("nope://x")


def test_a_protocol_that_needs_options_is_an_error_without_them() -> None:
    with pytest.raises(SourceError, match=r"^The event logs at github://x can't be reached without storage options: "):
        find_logs("github://x")
    with pytest.raises(SourceError, match=r"^The event logs at dbfs:/x can't be reached: .* set FSSPEC_DBFS_INSTANCE"):
        find_logs("dbfs:/x")


def test_what_cannot_be_listed_does_not_hide_the_rest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a/app-1", "b/app-2"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).touch()
    (tmp_path / "b" / "dangling").symlink_to(tmp_path / "none")
    scandir = os.scandir

    def refuse(path: Any) -> Any:
        if str(path) == str(tmp_path / "a"):
            raise PermissionError(13, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    listing = find_logs(str(tmp_path))
    assert [log.path for log in listing.logs] == [f"{tmp_path}/b/app-2"]
    assert set(listing.failures) == {
        ListingFailure(f"{tmp_path}/a", "PermissionError: Permission denied"),
        ListingFailure(f"{tmp_path}/b/dangling", "FileNotFoundError: No such file or directory"),
    }


def test_a_path_that_may_not_be_seen_is_a_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Any, **_: Any) -> Any:
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr(os, "stat", refuse)
    listing = find_logs(f"{tmp_path}/x")
    assert listing.logs == ()
    assert listing.failures == (ListingFailure(f"{tmp_path}/x", "PermissionError: Permission denied"),)


def test_links_are_followed_once(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "app-1").write_bytes(b"1")
    (tmp_path / "linked").symlink_to(tmp_path / "real" / "app-1")
    (tmp_path / "real" / "loop").symlink_to(tmp_path)
    assert [(log.path, log.size) for log in find_logs(str(tmp_path)).logs] == [
        (f"{tmp_path}/linked", 1),
        (f"{tmp_path}/real/app-1", 1),
    ]


def test_an_empty_folder_has_no_logs(tmp_path: Path) -> None:
    assert find_logs(str(tmp_path)).logs == ()
