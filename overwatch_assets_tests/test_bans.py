"""What the code must not use, because an engine does it silently wrong, and who may import whom (docs/architecture.md)."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "overwatch_assets"
# The recorder's applications run on Spark itself, and do on purpose what tables must not.
FILES = sorted(p for p in PACKAGE.rglob("*.py") if "sample/record/" not in p.as_posix())

METHODS = {
    "cache": "stores nothing on Sail",
    "persist": "stores nothing on Sail",
    "rdd": "not on Spark Connect",
    "sparkContext": "not on Spark Connect",
    "readStream": "streaming to Delta fails on Sail",
    "writeStream": "streaming to Delta fails on Sail",
    "sortWithinPartitions": "dropped by Sail before a write",
    "replaceWhere": "Sail also writes rows outside the predicate; MERGE by key instead",
    "saveAsTable": "tables live at paths",
    "insertInto": "goes by position",
    "unionAll": "goes by position",
}
CHAINS = {
    ("read", "json"): "one bad line fails the whole query on Sail: read text, then from_json",
    ("read", "text"): "one bad byte fails the whole query on Sail: use sources.event_logs",
}
OPTIONS = {"partitionOverwriteMode", "replaceWhere", "txnAppId", "overwriteSchema", "mergeSchema"}
MAY_NOT_IMPORT = {
    "contract": ("dagster", "overwatch_assets.storage", "overwatch_assets.engine", "overwatch_assets.orchestration"),
    "rules": ("dagster", "overwatch_assets.storage", "overwatch_assets.engine", "overwatch_assets.runner"),
    "bronze": ("dagster", "overwatch_assets.storage", "overwatch_assets.engine", "overwatch_assets.runner"),
    "silver": ("dagster", "overwatch_assets.storage", "overwatch_assets.engine", "overwatch_assets.runner"),
    "gold": ("dagster", "overwatch_assets.storage", "overwatch_assets.engine", "overwatch_assets.runner"),
    "storage": ("dagster", "overwatch_assets.runner", "overwatch_assets.orchestration"),
    "runner": ("dagster", "overwatch_assets.orchestration"),
    "engine": ("dagster", "overwatch_assets.runner", "overwatch_assets.storage"),
    "config": ("dagster", "overwatch_assets.runner", "overwatch_assets.storage", "overwatch_assets.sources"),
    "sources": ("dagster", "overwatch_assets.orchestration", "overwatch_assets.cli", "overwatch_assets.consumer"),
}
MAY_ONLY_IMPORT = {
    ("sources", "overwatch_assets.runner"): ("context", "insert", "report", "state", "window"),
    ("rules", "overwatch_assets.sources"): ("event_logs.events",),
    ("bronze", "overwatch_assets.sources"): (),
    ("silver", "overwatch_assets.sources"): (),
    ("gold", "overwatch_assets.sources"): (),
}


def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(), filename=str(path))


def _banned(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            owner = node.value.attr if isinstance(node.value, ast.Attribute) else None
            if (owner, node.attr) in CHAINS:
                yield f"line {node.lineno}: .{owner}.{node.attr}: {CHAINS[owner, node.attr]}"
            if node.attr in METHODS and not _is_ours(node):
                yield f"line {node.lineno}: .{node.attr}: {METHODS[node.attr]}"
        elif isinstance(node, ast.Constant) and node.value in OPTIONS:
            yield f"line {node.lineno}: option {node.value}"


def _is_ours(node: ast.Attribute) -> bool:
    return isinstance(node.value, ast.Name) and node.value.id in ("functools", "self")


def _imports(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


def _is_in(module: str, package: str) -> bool:
    return module == package or module.startswith(package + ".")


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.relative_to(PACKAGE).as_posix())
def test_nothing_banned_is_used(path: Path) -> None:
    assert list(_banned(_tree(path))) == []


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.relative_to(PACKAGE).as_posix())
def test_layers_import_downwards(path: Path) -> None:
    parts = path.relative_to(PACKAGE).parts
    forbidden = MAY_NOT_IMPORT.get(parts[0], ()) if len(parts) > 1 else ()
    imports = list(_imports(_tree(path)))
    wrong = [m for m in imports if any(_is_in(m, f) for f in forbidden)]
    for (folder, package), modules in MAY_ONLY_IMPORT.items():
        if folder == parts[0]:
            allowed = {f"{package}.{m}" for m in modules}
            wrong += [m for m in imports if _is_in(m, package) and m not in allowed]
    assert wrong == []


def test_the_bans_find_what_they_ban() -> None:
    code = "spark.read.json(p); frame.cache(); frame.write.option('replaceWhere', x); a.rdd"
    assert len(list(_banned(ast.parse(code)))) == 4
