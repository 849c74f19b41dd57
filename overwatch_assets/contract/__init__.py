"""What a table is, said once: columns, keys, inputs, how it is rebuilt; everything else is derived from it."""

from overwatch_assets.contract.inputs import AsOf, Consulted, Events, Linked, Source
from overwatch_assets.contract.rebuild import Fold, Insert, Machine, Mirror
from overwatch_assets.contract.table import Column, Interval, Invariant, Table, View, table

__all__ = [
    "AsOf",
    "Column",
    "Consulted",
    "Events",
    "Fold",
    "Insert",
    "Interval",
    "Invariant",
    "Linked",
    "Machine",
    "Mirror",
    "Source",
    "Table",
    "View",
    "table",
]
