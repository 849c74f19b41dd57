"""What a table is, said once: columns, keys, inputs, how it is rebuilt; everything else is derived from it."""

from overwatch_assets.contract.inputs import AsOf, Consulted, Events, Linked, Source
from overwatch_assets.contract.rebuild import Fold, Insert
from overwatch_assets.contract.table import Column, Table, View, table

__all__ = ["AsOf", "Column", "Consulted", "Events", "Fold", "Insert", "Linked", "Source", "Table", "View", "table"]
