"""What Dagster shows: the graph against the list of modules, and as a text that a reviewer sees changing."""

import datetime as dt
import os
import re
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import dagster as dg
import pytest

from overwatch_assets.contract.registry import modules, tables
from overwatch_assets.errors import ConfigurationError
from overwatch_assets.orchestration import settings
from overwatch_assets.orchestration.partitions import partitions_of
from overwatch_assets_tests.orchestration.worlds import World

SNAPSHOT = Path(__file__).with_name("asset_graph.txt")

DOCUMENTED = {
    1005: (1004,), 1006: (1004,), 2003: (1006,), 2005: (1006,), 2006: (1006,), 2007: (1006,), 2008: (1006,),
    2009: (1003, 1004), 2010: (1004,), 2011: (1004, 2010, 2014), 2014: (1004,), 2016: (1004,), 2017: (1004,),
    2018: (1004,), 2019: (1005,), 2020: (1004,), 3001: (2014,), 3002: (2010,), 3003: (2011,), 3004: (2018,),
    3005: (1005, 2014), 3007: (2017,), 3008: (2016,), 3009: (2009,), 3010: (2006,), 3011: (2007,), 3012: (2008,),
    3013: (2005,), 3014: (2003,), 3015: (3001, 3003, 3005, 3010, 3012), 3016: (1006, 2005), 3017: (2020,),
}  # fmt: skip
"""Dependencies in the module table of Overwatch's documentation."""
MODULES = Path(__file__).with_name("modules.md")
"""The product's list of modules: what a row names, and what it reads."""


@dataclass(frozen=True)
class Module:
    """A row of the list; edges are ids."""

    id: int
    name: str
    table: str
    side_tables: tuple[str, ...]
    required: frozenset[int]
    optional: frozenset[int]
    view: str


def listed() -> list[Module]:
    """The rows of the list."""
    cells = [[c.strip() for c in line.split("|")[1:-1]] for line in MODULES.read_text("utf-8").splitlines()]
    return [_module(*row) for row in cells if row and row[0].isdigit()]


def _module(number: str, name: str, table: str, edges: str, view: str) -> Module:
    own, _, side = table.partition(" (+ ")
    optional = frozenset(int(n) for n in re.findall(r"\[(\d+)\]", edges))
    required = frozenset(int(n) for n in re.findall(r"\d+", edges)) - optional
    sides = tuple(side.removesuffix(")").split(", ")) if side else ()
    return Module(int(number), name, own, sides, required, optional, view.removesuffix(" (ETL)"))


def test_definitions_load(definitions: dg.Definitions) -> None:
    dg.Definitions.validate_loadable(definitions)
    assert {j.name for j in definitions.resolve_all_job_defs() if not j.name.startswith("__")} == {
        "bronze_job",
        "silver_job",
        "gold_job",
        "all_job",
    }


def test_tables_are_the_list_of_modules() -> None:
    known = tables()

    def ids(names: Iterable[str]) -> frozenset[int]:
        return frozenset(known[name].module_id or 0 for name in names)

    found = {
        Module(
            table.module_id or 0,
            table.module_name,
            table.name,
            table.side_tables,
            ids(table.required),
            ids(table.upstreams) - ids(table.required),
            table.view.name if table.view else "",
        )
        for table in modules()
    }
    assert found ^ set(listed()) == set()


def test_graph_is_the_list_of_modules(definitions: dg.Definitions) -> None:
    graph = definitions.resolve_asset_graph()
    ids = {dg.AssetKey(t.name): t.module_id for t in modules()}
    found = {ids[key]: {ids[up] for up in graph.get(key).parent_keys} for key in graph.get_all_asset_keys()}
    assert found == {module.id: module.required | module.optional for module in listed()}


def test_what_overwatch_s_modules_depend_on_lies_above_them_here() -> None:
    known = {t.module_id: t for t in modules()}

    def above(module: int) -> set[int]:
        direct = {tables()[name].module_id or 0 for name in known[module].upstreams}
        return direct.union(*(above(up) for up in direct))

    assert {m: set(ups) - above(m) for m, ups in DOCUMENTED.items() if set(ups) - above(m)} == {}


def test_every_asset_is_described_and_shares_partitions(definitions: dg.Definitions) -> None:
    graph = definitions.resolve_asset_graph()
    partitions = {graph.get(dg.AssetKey(t.name)).partitions_def for t in modules()}
    assert len(partitions) == 1
    for table in modules():
        node = graph.get(dg.AssetKey(table.name))
        assert node.backfill_policy == dg.BackfillPolicy.single_run()
        assert node.group_name == table.layer
        assert node.description == table.doc
        schema = node.metadata["dagster/column_schema"]
        assert [(c.name, c.type, c.description) for c in schema.columns] == [
            (c.name, c.type, c.doc) for c in table.columns
        ]
        (reference,) = node.metadata["dagster/code_references"].code_references
        line = Path(reference.file_path).read_text().splitlines()[reference.line_number - 1]
        assert line == "@table("


def test_lineage_names_real_columns(definitions: dg.Definitions) -> None:
    graph = definitions.resolve_asset_graph()
    known = tables()
    deps = [
        dep
        for table in modules()
        for found in graph.get(dg.AssetKey(table.name)).metadata["dagster/column_lineage"].deps_by_column.values()
        for dep in found
    ]
    assert deps
    assert [d for d in deps if d.column_name not in known[d.asset_key.path[-1]].by_name] == []


def test_partitions_are_days_by_workspace_and_the_account(definitions: dg.Definitions) -> None:
    partitions = definitions.resolve_asset_graph().get(dg.AssetKey("sparkjob_gold")).partitions_def
    assert isinstance(partitions, dg.MultiPartitionsDefinition)
    days, workspaces = partitions.get_partitions_def_for_dimension("date"), partitions.secondary_dimension
    assert days.get_first_partition_key() == "2024-05-01"  # the earliest primordial date
    assert days.get_last_partition_key() == settings.now().date().isoformat()  # today included
    assert workspaces.partitions_def.get_partition_keys() == ["123", "456", "account"]


def test_partitions_end_where_a_stated_clock_stands(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The demo's story is of 2024: nobody wants to see the days since then as missing."""
    monkeypatch.setenv("OVERWATCH_NOW", "2024-05-03T23:30:00Z")
    days = partitions_of(world.deployment, settings.stated_day()).get_partitions_def_for_dimension("date")
    assert days.get_partition_keys() == ["2024-05-01", "2024-05-02", "2024-05-03"]
    for moving in ("", dt.datetime.now(dt.UTC).isoformat()):
        monkeypatch.setenv("OVERWATCH_NOW", moving)
        assert settings.stated_day() is None


def test_snapshot_of_the_graph(definitions: dg.Definitions) -> None:
    assert rendered(definitions) == SNAPSHOT.read_text(), (
        "the asset graph has changed; if it should have: "
        "python -m overwatch_assets_tests.orchestration.test_definitions, then commit asset_graph.txt"
    )


def test_no_deployment_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OVERWATCH_DEPLOYMENT", raising=False)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigurationError, match="OVERWATCH_DEPLOYMENT is not set: let it hold the path"):
        settings.deployment_path()


def test_demo_of_this_folder_is_shown_without_a_deployment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OVERWATCH_DEPLOYMENT", raising=False)
    monkeypatch.chdir(tmp_path)
    demo = tmp_path / ".overwatch/demo/deployment.yaml"
    demo.parent.mkdir(parents=True)
    demo.touch()
    assert settings.deployment_path() == str(demo)


def test_definitions_import_without_beta_warnings(world: World) -> None:
    shown = subprocess.run(
        [sys.executable, "-W", "default", "-c", "import overwatch_assets.definitions"],
        env={**os.environ, "OVERWATCH_DEPLOYMENT": world.path},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "BetaWarning" not in shown.stderr
    assert "PreviewWarning" not in shown.stderr


def rendered(definitions: dg.Definitions) -> str:
    """The graph as text: a table's group, upstreams, checks and columns."""
    graph = definitions.resolve_asset_graph()
    lines = []
    for table in modules():
        node = graph.get(dg.AssetKey(table.name))
        schema = node.metadata["dagster/column_schema"]
        lines += [
            f"{table.name} ({node.group_name}, {table.module_id})",
            f"  from: {', '.join(sorted(k.to_user_string() for k in node.parent_keys)) or '-'}",
            f"  checks: {', '.join(sorted(k.name for k in graph.get_check_keys_for_assets({node.key})))}",
            *(f"  {c.name}: {c.type}{'' if c.constraints.nullable else ' not null'}" for c in schema.columns),
        ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    import tempfile

    from overwatch_assets_tests.orchestration.worlds import make_world

    with tempfile.TemporaryDirectory() as home:
        os.environ["OVERWATCH_DEPLOYMENT"] = make_world(Path(home)).path
        from overwatch_assets.definitions import defs

        SNAPSHOT.write_text(rendered(defs))
