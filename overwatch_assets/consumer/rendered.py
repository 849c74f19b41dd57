"""The tables and views of a deployment as SQL, for a metastore of the user's.

Where workspaces' tables lie apart, a view is the union of them, each with its workspace's id as a literal; where they
share tables, it is the table's rows of those workspaces, and `organization_id` is a partition. Either way a query over
one workspace reads that workspace's files alone, and a workspace's name is the deployment's, whatever it was before.

Views for Spark and the Hive metastore read paths, so that nothing that is dropped takes them along, not the ETL
database either: a share has none. Unity Catalog has no views of paths: there they read external tables, on which a
reader of a view needs no rights.
"""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from functools import cached_property
from re import sub

import deltalake

from overwatch_assets.config.deployment import Deployment
from overwatch_assets.consumer.dialect import Dialect
from overwatch_assets.consumer.views import expression, views, workspace_name
from overwatch_assets.contract.registry import tables
from overwatch_assets.contract.table import Table
from overwatch_assets.contract.view import View
from overwatch_assets.errors import ConfigurationError
from overwatch_assets.storage import sql

Exists = Callable[[str], bool]


@dataclass(frozen=True)
class Statement:
    """One statement, and what it makes."""

    makes: str
    sql: str


@dataclass(frozen=True)
class Script:
    """Statements in their order.

    Attributes:
        needed: databases that must be there, with the statement that makes each: Unity Catalog's are never made.
        empty: names of which no workspace has a table yet: their views have no rows until this is run again.
    """

    statements: tuple[Statement, ...]
    needed: tuple[Statement, ...]
    empty: tuple[str, ...]

    @property
    def text(self) -> str:
        """The script, as a file or a notebook takes it."""
        notes = [f"-- {n.makes} must be there; who may make it runs: {n.sql}" for n in self.needed]
        if self.empty:
            notes.append(f"-- Not loaded yet, so empty until this is run again: {', '.join(self.empty)}")
        return "\n\n".join([*(["\n".join(notes)] if notes else []), *(f"{s.sql};" for s in self.statements)]) + "\n"


@dataclass(frozen=True)
class _Place:
    """A folder of tables.

    Attributes:
        suffix: of the names of its tables, where several folders have one of each name.
        ids: workspaces whose rows are wanted of it.
    """

    root: str
    suffix: str
    ids: tuple[str, ...]


@dataclass(frozen=True)
class Rendering:
    """What is to be rendered.

    Attributes:
        dialect: whose metastore.
        ids: workspaces whose rows the views show.
        restricted: not all workspaces, for a share: no view of who signs in, and where views read paths no tables.
        exists: whether there is a Delta table at a path.
    """

    deployment: Deployment
    dialect: Dialect
    ids: tuple[str, ...]
    restricted: bool
    etl: str
    consumer: str
    exists: Exists

    def script(self) -> Script:
        """Write all of it."""
        needed: list[Statement] = []
        statements: list[Statement] = []
        shown = [(v, t) for v, t in views().values() if not (v.of_etl and self.restricted) and not self._hides_table(v)]
        for database in dict.fromkeys((self.etl, self.consumer) if self._with_tables else (self.consumer,)):
            made = self._database(database)
            (needed if self.dialect is Dialect.unity else statements).append(made)
        if self._with_tables:
            for table in [t for _, t in shown] if self.restricted else tables().values():
                statements += self._table(table)
        statements += [self._view(view, table) for view, table in shown]
        return Script(tuple(statements), tuple(needed), tuple(v.name for v, t in shown if not self._of(t)))

    @property
    def _with_tables(self) -> bool:
        return not self.restricted or self.dialect is Dialect.unity

    @cached_property
    def _places(self) -> tuple[_Place, ...]:
        if not self.deployment.external_metastore:
            return tuple(_Place(self.deployment.table_root(i), i, (i,)) for i in self.ids)
        by_root: dict[str, list[str]] = {}
        for i in self.ids:
            by_root.setdefault(self.deployment.table_root(i), []).append(i)
        return tuple(_Place(root, ids[0] if len(by_root) > 1 else "", tuple(ids)) for root, ids in by_root.items())

    def _of(self, table: Table) -> list[_Place]:
        return [place for place in self._places if self.exists(f"{place.root}/{table.name}")]

    def _name(self, database: str, name: str) -> str:
        parts = [*(["hive_metastore"] if self.dialect is Dialect.hive else []), *database.split("."), name]
        return ".".join(sql.name(part) for part in parts if part)

    def _hides_table(self, view: View) -> bool:
        """Whether a table has the view's name already: metastores do not tell names apart by case."""
        return self.consumer == self.etl and not view.of_etl and view.name.lower() in tables()

    def _database(self, database: str) -> Statement:
        text = f"CREATE SCHEMA IF NOT EXISTS {self._name(database, '')} COMMENT 'Overwatch' "
        return Statement(database, text + "WITH DBPROPERTIES ('OVERWATCHDB' = 'TRUE')")

    def _stored(self, table: Table, place: _Place) -> str:
        """Name of an external table; an id has characters that a table's name may not have."""
        return self._name(self.etl, f"{table.name}__{_word(place.suffix)}" if place.suffix else table.name)

    def _table(self, table: Table) -> Iterator[Statement]:
        """External tables, and where workspaces' tables lie apart a view of them all by the table's name."""
        apart = any(place.suffix for place in self._places)
        if self.dialect is Dialect.unity or not apart:
            for place in self._of(table):
                name, path = self._stored(table, place), sql.literal(f"{place.root}/{table.name}")
                yield Statement(name, f"CREATE TABLE IF NOT EXISTS {name} USING DELTA LOCATION {path}")
        if apart and not self.restricted:
            name = self._name(self.etl, table.name)
            select = self._select(table, {c.name: (c.type, sql.name(c.name)) for c in table.columns})
            yield Statement(name, f"CREATE OR REPLACE VIEW {name} COMMENT {_comment(table)} AS\n{select}")

    def _view(self, view: View, table: Table) -> Statement:
        name = self._name(self.etl if view.of_etl else self.consumer, view.name)
        kinds = {**table.by_name, **{n: column for n, (column, _) in view.computed.items()}}
        select = self._select(table, {n: (kinds[n].type, expression(view, n)) for n in view.columns})
        if view.newest:
            select = f"SELECT * FROM (\n{select}\n)\nORDER BY {', '.join(f'{sql.name(c)} DESC' for c in view.newest)}"
        return Statement(name, f"CREATE OR REPLACE VIEW {name} COMMENT {_comment(table)} AS\n{select}")

    def _select(self, table: Table, columns: dict[str, tuple[str, str]]) -> str:
        """Rows of all workspaces: of each column its type and its SQL."""
        parts = [self._part(table, place, {n: text for n, (_, text) in columns.items()}) for place in self._of(table)]
        nothing = ", ".join(f"CAST(NULL AS {kind}) AS {sql.name(n)}" for n, (kind, _) in columns.items())
        return "\nUNION ALL\n".join(parts) or f"SELECT {nothing} WHERE false"

    def _part(self, table: Table, place: _Place, columns: dict[str, str]) -> str:
        if self.dialect is Dialect.unity:
            relation = self._stored(table, place)
        else:
            relation = f"delta.{sql.name(f'{place.root}/{table.name}')}"
        if self.deployment.external_metastore:
            wanted = sql.one_of("organization_id", place.ids)
            own = {"workspace_name": f"{workspace_name(self.deployment, place.ids)} AS workspace_name"}
            return f"SELECT {', '.join((columns | own).values())}\nFROM {relation}\nWHERE {wanted}"
        workspace = self.deployment.workspace(place.ids[0])
        own = {
            "organization_id": f"{sql.literal(workspace.workspace_id)} AS organization_id",
            "workspace_name": f"{sql.literal(workspace.workspace_name)} AS workspace_name",
        }
        return f"SELECT {', '.join((columns | own).values())}\nFROM {relation}"


def render(
    deployment: Deployment,
    dialect: Dialect | None = None,
    *,
    workspaces: Collection[str] = (),
    etl: str | None = None,
    consumer: str | None = None,
    exists: Exists = deltalake.DeltaTable.is_deltatable,
) -> Script:
    """Render the tables and views of a deployment.

    Args:
        deployment: the deployment.
        dialect: whose metastore; Unity Catalog's if the databases are named `catalog.schema`, else Spark's.
        workspaces: their rows alone, for a share; without any all active ones.
        etl: the database of the tables; else the deployment's.
        consumer: the database of the views; else the deployment's.
        exists: whether there is a Delta table at a path.

    Raises:
        ConfigurationError: a workspace is unknown, or the databases' names are not such as the dialect has.
    """
    names = (etl or deployment.etl_database_name, consumer or deployment.consumer_database_name)
    chosen = dialect or (Dialect.unity if any("." in name for name in names) else Dialect.spark)
    _check(chosen, names)
    ids = deployment.chosen(workspaces)
    seen: dict[str, bool] = {}

    def known(path: str) -> bool:  # a table is asked for by its own name and by its view's
        return seen[path] if path in seen else seen.setdefault(path, exists(path))

    return Rendering(deployment, chosen, ids, bool(workspaces), *names, known).script()


def _check(dialect: Dialect, names: tuple[str, str]) -> None:
    for name in names:
        if name.count(".") != (dialect is Dialect.unity):
            wanted = "a name such as catalog.schema" if dialect is Dialect.unity else "a name without a dot"
            raise ConfigurationError(f"A database of {dialect} has {wanted}, which {name} is not")
    if dialect is Dialect.unity and names[0] == names[1]:
        raise ConfigurationError(
            f"In Unity Catalog tables and views need two schemas, but both are to be in {names[0]}"
        )


def _word(workspace_id: str) -> str:
    """A workspace's id as a table's name may hold it; what is no letter or digit is spelled out, so that ids differ."""
    return sub(r"[^A-Za-z0-9]", lambda c: f"_{ord(c.group()):x}_", workspace_id)


def _comment(table: Table) -> str:
    return sql.literal(table.doc.splitlines()[0])
