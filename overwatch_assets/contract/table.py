"""`Table`, and the decorator that makes one of a transform."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

from pyspark.sql import DataFrame, types as T

from overwatch_assets.contract.inputs import AsOf, Consulted, Events, Linked, Role, Source
from overwatch_assets.contract.rebuild import Fold, Machine, Mirror, Rebuild
from overwatch_assets.contract.types import spark_type
from overwatch_assets.contract.view import Column, View
from overwatch_assets.errors import ConfigurationError

Layer = Literal["bronze", "silver", "gold", "state"]
Transform = Callable[..., DataFrame]


@dataclass(frozen=True)
class Interval:
    """When a row holds, `[start, end)`: columns with epoch ms. Change records say which time changed.

    Attributes:
        end: None, or a null in it: not known; it may be for ever.
        tail: columns that say how the row ends, no more: of two rows that differ only there, the time before both ends
            is as it was.
    """

    start: str
    end: str | None = None
    tail: tuple[str, ...] = ()


@dataclass(frozen=True)
class Invariant:
    """What must hold of a table's rows beyond keys and types: an asset check, which warns.

    Attributes:
        name: of the check, as Dagster takes it.
        doc: what holds.
        find: from rows to what does not hold: a frame whose first column says it in words.
    """

    name: str
    doc: str
    find: Callable[[DataFrame], DataFrame]


ORGANIZATION = Column("organization_id", "string", "Workspace id, the value after `o=` in its URL.", nullable=False)
META = (
    Column("workspace_name", "string", "Friendly name of the workspace, from the deployment file."),
    Column("Pipeline_SnapTS", "timestamp", "The load's `now`, UTC.", nullable=False, bookkeeping=True),
    Column("Overwatch_RunID", "string", "Id of the run that wrote the row.", nullable=False, bookkeeping=True),
)


MONTH = "month"


def _month_of(day: str) -> Column:
    return Column(MONTH, "date", f"First day of the month of `{day}`: the table's days are small.", bookkeeping=True)


@dataclass(frozen=True, kw_only=True)
class Table:
    """The contract of one table.

    Attributes:
        name: physical name, lower case; for a module's table also the transform's name.
        keys: columns that, with ``organization_id``, name a row.
        entity: columns whose values name what is rebuilt together; a prefix of meaning, not of order, of ``keys``. If
            the last one is the partition, a day of something is rebuilt by itself.
        interval: when a row holds, for tables that depend on it by time.
        links: columns with keys of other entities, written to the change records.
        partition: the date column that the Delta table is partitioned by, if it grows.
        of_month: the date column of which `partition` is the month: of tables whose days are small, as a file of each
            day costs more to open than its rows to read.
        inputs: upstream tables and sources by parameter name, with the roles in which each is read.
    """

    name: str
    layer: Layer
    doc: str
    columns: tuple[Column, ...]
    keys: tuple[str, ...]
    module_id: int | None = None
    module_name: str = ""
    entity: tuple[str, ...] = ()
    links: tuple[str, ...] = ()
    partition: str | None = None
    of_month: str | None = None
    interval: Interval | None = None
    z_order: tuple[str, ...] = ()
    rebuild: Rebuild | None = None
    inputs: Mapping[str, tuple[Role, ...]] = field(default_factory=dict)
    side_tables: tuple[str, ...] = ()
    view: View | None = None
    version: int = 1
    invariants: tuple[Invariant, ...] = ()
    transform: Transform | None = None

    def __post_init__(self) -> None:
        """Check what a typo would break."""
        names = [column.name for column in self.columns]
        wrong = [n for n in (*self.keys, *self.entity, *self.links, *self.z_order) if n not in names]
        if isinstance(self.rebuild, Machine):
            wrong += [n for n in (self.rebuild.open, *self.rebuild.carried) if n not in names]
            if self.interval is None:
                raise ConfigurationError(f"{self.name}: a machine needs an interval")
        if self.interval is not None:
            bounds = (self.interval.start, self.interval.end, *self.interval.tail)
            wrong += [n for n in bounds if n is not None and n not in names]
        wrong += [n for n in (self.partition, self.of_month) if n is not None and n not in names]
        if self.view is not None:
            wrong += [n for n in self.view.columns if n not in names and n not in self.view.computed]
        if wrong:
            raise ConfigurationError(f"{self.name}: {', '.join(wrong)} is not among its columns")
        lower = [n.lower() for n in names]
        if len(set(lower)) != len(lower):
            raise ConfigurationError(f"{self.name}: two columns differ only in case")
        if self.name != self.name.lower():
            raise ConfigurationError(f"{self.name}: physical table names are lower case")
        for upstream, roles in self.inputs.items():
            for role in roles:
                by_day = isinstance(role, Linked) and self.days and len(role.key) == len(self.entity) - 1
                if isinstance(role, Events | Linked) and len(role.key) != len(self.entity) and not by_day:
                    raise ConfigurationError(f"{self.name}: the key of input {upstream} does not match its entity")

    def __call__(self, *frames: DataFrame, **named: DataFrame) -> DataFrame:
        """The transform: spans and inputs in, the complete rows of the spans out."""
        if self.transform is None:
            raise ConfigurationError(f"{self.name} has no transform: it is written by the runner")
        return self.transform(*frames, **named)

    @cached_property
    def schema(self) -> T.StructType:
        """The table's Spark schema: declared order, every field nullable (Delta's portable form)."""
        return T.StructType([T.StructField(c.name, spark_type(c.type)) for c in self.columns])

    @cached_property
    def by_name(self) -> Mapping[str, Column]:
        """Columns by name."""
        return {column.name: column for column in self.columns}

    @property
    def day(self) -> str | None:
        """The column with a row's day, if the table grows."""
        return self.of_month or self.partition

    @property
    def days(self) -> str | None:
        """The entity's column with its day, if what is rebuilt together is a day of something."""
        return self.partition if self.partition is not None and self.entity[-1:] == (self.partition,) else None

    @property
    def compared(self) -> tuple[str, ...]:
        """Columns that say something about the workspace: what loads in any order must agree on."""
        return tuple(c.name for c in self.columns if not c.bookkeeping)

    @property
    def sources(self) -> tuple[str, ...]:
        """Names of the sources that it reads."""
        return tuple(n for n, roles in self.inputs.items() if any(isinstance(r, Source) for r in roles))

    @property
    def upstreams(self) -> tuple[str, ...]:
        """Names of the tables that it reads."""
        return tuple(n for n, roles in self.inputs.items() if not all(isinstance(r, Source) for r in roles))

    @property
    def required(self) -> tuple[str, ...]:
        """Upstream tables without which it cannot be loaded."""
        return tuple(
            n
            for n in self.upstreams
            if not all(isinstance(r, Events | Linked | AsOf | Consulted) and r.optional for r in self.inputs[n])
        )


TABLES: dict[str, Table] = {}


def register(contract: Table) -> Table:
    """Put a contract into the registry."""
    if contract.name in TABLES:
        raise ConfigurationError(f"two tables are called {contract.name}")
    TABLES[contract.name] = contract
    return contract


def table(
    *,
    module_id: int,
    module_name: str,
    columns: tuple[Column, ...],
    keys: tuple[str, ...],
    rebuild: Rebuild,
    inputs: Mapping[str, Role | tuple[Role, ...]],
    entity: tuple[str, ...] = (),
    links: tuple[str, ...] = (),
    partition: str | None = None,
    by_month: bool = False,
    interval: Interval | None = None,
    z_order: tuple[str, ...] = (),
    side_tables: tuple[str, ...] = (),
    view: View | None = None,
    version: int = 1,
    invariants: tuple[Invariant, ...] = (),
) -> Callable[[Transform], Table]:
    """Make the decorated transform a table: its name is the function's, its layer the package's.

    The transform's parameters are ``spans`` (not for bronze) and the inputs, by name; consulted ones are no parameters.
    ``partition`` is a row's day; ``by_month``, its month is the partition, a column that the runner adds.

    Raises:
        ConfigurationError: parameters and inputs differ, or the contract contradicts itself.
    """

    def make(transform: Transform) -> Table:
        name = transform.__name__
        parameters = [p for p in inspect.signature(transform).parameters if p != "spans"]
        roles = {n: r if isinstance(r, tuple) else (r,) for n, r in inputs.items()}
        taken = [n for n, r in roles.items() if not all(isinstance(role, Consulted) for role in r)]
        if parameters != taken:
            raise ConfigurationError(f"{name}: parameters {parameters} are not the inputs {taken}")
        if taken != list(inputs) and isinstance(rebuild, Fold):
            raise ConfigurationError(f"{name}: only the reader of a source consults a table, and it has none")
        layer = transform.__module__.split(".")[-2]
        if layer not in ("bronze", "silver", "gold"):
            raise ConfigurationError(f"{name}: a table lives in bronze/, silver/ or gold/, not in {layer}")
        if isinstance(rebuild, Fold) and not entity:
            raise ConfigurationError(f"{name}: a fold needs an entity")
        if isinstance(rebuild, Mirror) and not (entity and all(r == (Source(),) for r in roles.values())):
            raise ConfigurationError(f"{name}: a mirror needs an entity, and reads its source alone")
        return register(
            Table(
                name=name,
                layer=layer,  # type: ignore[arg-type]  # one of the three, checked above
                doc=inspect.getdoc(transform) or "",
                columns=(ORGANIZATION, *columns, *([_month_of(partition)] if by_month and partition else []), *META),
                keys=keys,
                module_id=module_id,
                module_name=module_name,
                entity=entity,
                links=links,
                partition=MONTH if by_month else partition,
                of_month=partition if by_month else None,
                interval=interval,
                z_order=z_order,
                rebuild=rebuild,
                inputs=roles,
                side_tables=side_tables,
                view=view,
                version=version,
                invariants=invariants,
                transform=transform,
            )
        )

    return make


__all__ = [
    "META",
    "ORGANIZATION",
    "TABLES",
    "AsOf",
    "Column",
    "Interval",
    "Invariant",
    "Layer",
    "Table",
    "View",
    "register",
    "table",
]
