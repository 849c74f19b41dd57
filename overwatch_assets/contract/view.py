"""`Column`s of tables, and `View`: what people query of a table."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Column:
    """One column: its Spark type as DDL, what it means, where it comes from.

    Attributes:
        source: ``table.column`` of the upstream that it is copied or renamed from; empty when it is computed.
        nullable: False: a null is a defect that the contract check reports.
        bookkeeping: about the load, not about the workspace: not compared between loads.
    """

    name: str
    type: str
    doc: str
    source: tuple[str, ...] = ()
    nullable: bool = True
    bookkeeping: bool = False


@dataclass(frozen=True)
class View:
    """The consumer view of a table: its documented name and columns, in order.

    Attributes:
        of_etl: it stands in the ETL database and not in the consumer database: it is not for everybody to see.
        computed: columns that the table has not, by name: what they are, and the SQL that computes them.
        newest: columns of the view by which it is sorted, the greatest first.
    """

    name: str
    columns: tuple[str, ...]
    of_etl: bool = False
    computed: Mapping[str, tuple[Column, str]] = field(default_factory=dict)
    newest: tuple[str, ...] = ()
