"""Paths of Databricks' file system: mounted, and asked of a workspace."""

import base64
from pathlib import Path
from typing import Any

import fsspec
import pytest
from fsspec.implementations.dbfs import DatabricksException, DatabricksFileSystem

from overwatch_assets.errors import StorageError
from overwatch_assets.sources.event_logs.listing import find_logs
from overwatch_assets.storage import location
from overwatch_assets.storage.location import Location, filesystem, shown

READ_AT_ONCE = 1 << 20  # what dbfs/read gives at most


def test_a_mounted_path_is_a_folder_and_is_shown_as_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(location, "_MOUNTED", tmp_path)
    for url in ("dbfs:/a/b", "dbfs:///a/b", f"{tmp_path}/a/b"):
        fs, path = filesystem(url)
        assert path == f"{tmp_path}/a/b"
        assert shown(fs, path) == "dbfs:/a/b"
    assert filesystem("dbfs:/Volumes/c/s/v")[1] == "/Volumes/c/s/v"
    place = Location("dbfs:/a")
    place.fs.makedirs(place.key("b"))
    assert (tmp_path / "a" / "b").is_dir()
    assert place.path("b") == "dbfs:/a/b"
    assert place.is_local


def test_without_a_mount_and_a_workspace_it_is_an_error_that_says_what_to_do() -> None:
    with pytest.raises(
        StorageError, match=r"^dbfs:/x is a path of .* /dbfs: name the storage itself, or set FSSPEC_DBFS"
    ):
        filesystem("dbfs:/x")


def test_without_a_mount_the_workspace_is_asked_that_fsspec_knows(monkeypatch: pytest.MonkeyPatch) -> None:
    content = bytes(range(256)) * 5000  # more than is read at once
    files = {"/logs/c1/app-1": content, "/logs/app-2": b""}

    def answer(fs: Any, method: str, endpoint: str, json: dict[str, Any]) -> dict[str, Any]:
        assert (fs.instance, fs.token, method) == ("adb-1.azuredatabricks.net", "dapi", "get")
        path = json["path"].rstrip("/")
        if endpoint == "read":
            assert json["length"] <= READ_AT_ONCE
            part = files[path][json["offset"] :][: json["length"]]
            return {"bytes_read": len(part), "data": base64.b64encode(part).decode()}
        assert endpoint == "list"
        below = {name.removeprefix(f"{path}/").partition("/")[0] for name in files if name.startswith(f"{path}/")}
        if not below and path not in files:
            raise DatabricksException("RESOURCE_DOES_NOT_EXIST", f"No file or directory exists on path {path}.")
        found = [f"{path}/{name}" for name in below] or [path]
        return {"files": [{"path": p, "is_dir": p not in files, "file_size": len(files.get(p, b""))} for p in found]}

    monkeypatch.setattr(DatabricksFileSystem, "_send_to_api", answer)
    known = {
        "instance": "adb-1.azuredatabricks.net",
        "token": "dapi",
    }  # as from FSSPEC_DBFS_INSTANCE, FSSPEC_DBFS_TOKEN
    monkeypatch.setitem(fsspec.config.conf, "dbfs", known)
    assert [(log.path, log.size) for log in find_logs("dbfs:/logs").logs] == [
        ("dbfs:/logs/app-2", 0),
        ("dbfs:/logs/c1/app-1", len(content)),
    ]
    fs, path = filesystem("dbfs:/logs/c1/app-1")
    with fs.open(path, "rb") as file:
        file.seek(1000)
        assert file.read() == content[1000:]
