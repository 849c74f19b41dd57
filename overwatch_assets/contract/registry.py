"""All tables of the product, in an order in which each stands after what it reads."""

import importlib
import pkgutil
from functools import cache
from graphlib import TopologicalSorter
from types import MappingProxyType

from overwatch_assets.contract.table import TABLES, Table


@cache
def tables() -> MappingProxyType[str, Table]:
    """Every registered table by name, upstreams first, then by module id."""
    importlib.import_module("overwatch_assets.runner.state")
    for package in ("bronze", "silver", "gold"):
        module = importlib.import_module(f"overwatch_assets.{package}")
        for found in pkgutil.iter_modules(module.__path__):
            importlib.import_module(f"{module.__name__}.{found.name}")
    order = {
        n: ("bronze", "silver", "gold", "state").index(t.layer) * 10_000 + (t.module_id or 9_999)
        for n, t in TABLES.items()
    }
    graph = {n: set(t.upstreams) for n, t in TABLES.items()}
    sorter = TopologicalSorter(graph)
    sorter.prepare()
    names: list[str] = []
    while sorter.is_active():
        ready = sorted(sorter.get_ready(), key=lambda n: order[n])
        names += ready
        sorter.done(*ready)
    return MappingProxyType({n: TABLES[n] for n in names})


def modules() -> tuple[Table, ...]:
    """The tables that are modules, hence assets."""
    return tuple(t for t in tables().values() if t.module_id is not None)
