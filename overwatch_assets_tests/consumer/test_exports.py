"""Names and tags as of the end of a day: what is in the files, and when they are written."""

import datetime as dt
from pathlib import Path
from typing import Any

import fsspec
import orjson
import pytest
from pyspark.sql import SparkSession

from overwatch_assets.consumer.exports import DIMENSIONS, days_between, document, export
from overwatch_assets.errors import ConfigurationError
from overwatch_assets_tests.consumer.test_views import NOW, platform, put

DAY = dt.date(2024, 5, 1)
DAY_MS = 1_714_521_600_000
NEXT_MS = 1_714_608_000_000


def row(workspace: str, at_ms: int, **values: Any) -> dict[str, Any]:
    day = dt.datetime.fromtimestamp(at_ms / 1000, dt.UTC).date()
    return {
        "organization_id": workspace,
        "workspace_name": f"w{workspace}",
        "unixTimeMS": at_ms,
        "date": day,
        "month": day.replace(day=1),
        "Pipeline_SnapTS": NOW,
        "Overwatch_RunID": "r",
        **values,
    }


def cluster(workspace: str, at_ms: int, action: str, name: str, tags: str | None = None, sequence: int = 0) -> Any:
    values = {"cluster_id": "0501-1", "action": action, "cluster_name": name, "custom_tags": tags, "sequence": sequence}
    return row(workspace, at_ms, **values)


def notebook(at_ms: int, action: str, path: str | None) -> Any:
    name = None if path is None else path.rsplit("/", 1)[-1]
    return row("1", at_ms, notebook_id="7", action=action, name_after=name, path_after=path, sequence=0)


@pytest.mark.engine
def test_things_are_called_what_they_were_called_at_the_end_of_the_day(spark: SparkSession, tmp_path: Path) -> None:
    opened = platform(spark, tmp_path / "tables", shared=False)
    put(
        opened,
        "cluster_gold",
        cluster("1", DAY_MS, "create", "first", '{"team": "b", "Cost Center": "4711"}'),
        cluster("1", NEXT_MS - 1, "edit", "second", '{"team": "c"}'),
        cluster("1", NEXT_MS - 1, "edit", "third", '{"team": "c"}', sequence=1),
        cluster("1", NEXT_MS, "permanentDelete", "third", '{"team": "c"}'),
        cluster("2", NEXT_MS, "create", "other"),
    )
    job = {"action": "update", "request_id": "q"}
    put(
        opened,
        "job_gold",
        row("1", DAY_MS, job_id=9_007_199_254_740_993, job_name="nightly", tags={"z": "1", "a": "2"}, **job),
        row("1", DAY_MS + 5, job_id=9_007_199_254_740_993, job_name="nightly", tags=None, action="delete"),
    )
    put(
        opened,
        "notebook_gold",
        notebook(DAY_MS, "moveNotebook", "/a/new"),
        notebook(DAY_MS, "renameNotebook", "/old/new"),
        notebook(DAY_MS + 1, "runCommand", None),
        notebook(DAY_MS + 2, "deleteNotebook", None),
    )
    folder = tmp_path / "out"
    files = list(export(opened, [DAY + dt.timedelta(days=1), DAY], to=str(folder)))
    assert [(f.dimension, f.rows) for f in files] == [
        *[("cluster", 1), ("job", 1), ("notebook", 1), ("warehouse", 0)],
        *[("cluster", 2), ("job", 1), ("notebook", 1), ("warehouse", 0)],
    ]
    assert files[0].path == str(folder / "cluster" / "date=2024-05-01.json")
    assert {f.behind for f in files} == {("1", "2")}, "nothing says that the tables are loaded"

    def read(path: str) -> Any:
        return orjson.loads((folder / path).read_bytes())

    first = {
        "date": "2024-05-01",
        "organization_id": "1",
        "workspace_name": "w1",
        "cluster_id": "0501-1",
        "cluster_name": "third",
        "tags": {"team": "c"},
        "deleted": False,
        "changed_at": "2024-05-01T23:59:59.999Z",
    }
    assert read("cluster/date=2024-05-01.json") == [first]
    gone = {**first, "date": "2024-05-02", "deleted": True, "changed_at": "2024-05-02T00:00:00.000Z"}
    other = {
        **gone,
        "organization_id": "2",
        "workspace_name": "w2",
        "cluster_name": "other",
        "tags": None,
        "deleted": False,
    }
    assert read("cluster/date=2024-05-02.json") == [gone, other]
    assert read("cluster/latest.json") == [gone, other]
    (deleted,) = read("job/latest.json")
    assert (deleted["job_id"], deleted["job_name"], deleted["tags"]) == ("9007199254740993", "nightly", None)
    assert deleted["deleted"]
    (found,) = read("notebook/date=2024-05-01.json")
    assert (found["notebook_name"], found["notebook_path"], found["deleted"]) == ("new", "/a/new", True)
    assert "tags" not in found
    assert (folder / "warehouse" / "latest.json").read_bytes() == b"[\n]\n"

    before = {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    list(export(opened, [DAY], to=str(folder)))
    assert {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()} == before, "latest stays the newest day's"
    list(export(opened, [DAY], workspaces=["2"], to="memory://shared/exports"))
    with fsspec.filesystem("memory").open("/shared/exports/cluster/latest.json", "rb") as file:
        assert file.read() == b"[\n]\n"


@pytest.mark.engine
def test_files_lie_under_each_storage_prefix(spark: SparkSession, tmp_path: Path) -> None:
    opened = platform(spark, tmp_path, shared=True)
    put(opened, "cluster_gold", cluster("1", DAY_MS, "create", "a"), cluster("2", DAY_MS, "create", "b"))
    (file, *_) = export(opened, [DAY], workspaces=["2"])
    assert file.path == str(tmp_path / "exports" / "cluster" / "date=2024-05-01.json")
    assert [r["cluster_name"] for r in orjson.loads(Path(file.path).read_bytes())] == ["b"]


@pytest.mark.parametrize(
    ("stored", "tags"),
    [
        ('{"team": "b", "Cost Center": "4711"}', {"Cost Center": "4711", "team": "b"}),
        ([("z", "1"), ("a", "2")], {"a": "2", "z": "1"}),
        *((text, None) for text in ("not json", "", "5", "null", '["a"]', "NaN", None)),
    ],
)
def test_tags_that_cannot_be_read_are_not_known(stored: Any, tags: dict[str, str] | None) -> None:
    (clusters,) = (d for d in DIMENSIONS if d.name == "cluster")
    of = {"organization_id": "1", "workspace_name": "w", "key": "c", "cluster_name": "n", "deleted": False}
    assert document(clusters, DAY, {**of, "changed": DAY_MS, "tags": stored})["tags"] == tags


def test_days_are_over() -> None:
    today = DAY + dt.timedelta(days=2)
    assert days_between(None, DAY, today) == [DAY]
    assert days_between(DAY, DAY + dt.timedelta(days=1), today) == [DAY, DAY + dt.timedelta(days=1)]
    with pytest.raises(ConfigurationError, match="The day 2024-05-03 is not over: the last one that is, is 2024-05-02"):
        days_between(None, today, today)
    with pytest.raises(ConfigurationError, match="There are no days from 2024-05-02 to 2024-05-01"):
        days_between(DAY + dt.timedelta(days=1), DAY, today)
