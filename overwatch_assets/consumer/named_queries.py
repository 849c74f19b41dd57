"""The questions that people ask, each a named, documented SQL query over the consumer views.

A query is a file `queries/<topic>/<name>.sql`. It begins with a comment of three paragraphs:

    -- The question?
    --
    -- What a row is, units, what to know.
    --
    -- :workspaces
    -- :limit = 20
    -- :size_mb int = 400: What the parameter does.

then has one SELECT. A parameter of `query_parameters.SHARED` is named, perhaps with a default of its own; any other has
a type, a default (`none`: nothing) and a meaning. The SQL says `:limit` where the value goes.

What several queries need is one file in `queries/parts/`: a SELECT that stands before those that read it by its name.
The SQL uses what Sail and Spark have in common: docs/internals.md.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import cast, get_args

from overwatch_assets.consumer.query_parameters import SHARED, Kind, Parameter, Value
from overwatch_assets.errors import ConfigurationError

TOPICS = {
    "workspace": "Workspaces",
    "clusters": "Clusters",
    "jobs": "Jobs",
    "notebooks": "Notebooks",
    "spark": "Spark",
    "sql": "SQL warehouses",
    "security": "Security",
}
"""Folders of queries, in their order, with their titles."""

_PARTS = "parts"
# Texts, quoted names and comments are stepped over, so that a value can never be taken for a parameter.
_LEXEMES = re.compile(
    r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"|`[^`]*`|--[^\n]*|(?<![:\w]):(?P<parameter>\w+)", re.DOTALL
)
_DECLARED = re.compile(r":(?P<name>\w+)(?: (?P<kind>\w+))?(?: = (?P<default>[^:]+))?(?:: (?P<doc>.+))?")


@dataclass(frozen=True)
class Query:
    """A question with its answer.

    Attributes:
        topic: one of `TOPICS`.
        question: one line.
        meaning: grain, units, and what to know of the numbers.
        parameters: by name, in order.
        body: SQL with the parameters' names in it, parts included.
    """

    name: str
    topic: str
    question: str
    meaning: str
    parameters: Mapping[str, Parameter]
    body: str

    def values(self, given: Mapping[str, object]) -> dict[str, Value]:
        """The value of each parameter: what is given, else its default.

        Raises:
            ConfigurationError: one is unknown or of the wrong type, or `from` is not before `until`.
        """
        unknown = [name for name in given if name not in self.parameters]
        if unknown:
            known = ", ".join(self.parameters) or "none"
            raise ConfigurationError(f"Query {self.name} has no parameter {unknown[0]}; its parameters: {known}")
        found = {}
        for name, parameter in self.parameters.items():
            try:
                found[name] = parameter.value(given[name]) if name in given else parameter.default
            except ConfigurationError as error:
                raise ConfigurationError(f"Query {self.name}: {name} {error}") from None
        first, end = found.get("from"), found.get("until")
        if "from" in found and (first is None or end is None or first >= end):  # type: ignore[operator]
            raise ConfigurationError(f"Query {self.name}: from ({first}) must be before until ({end})")
        return found

    def sql(self, given: Mapping[str, object] | None = None) -> str:
        """The SQL with each parameter as a typed literal.

        Raises:
            ConfigurationError: as of `values`.
        """
        literals = {n: self.parameters[n].literal(v) for n, v in self.values(given or {}).items()}
        return _LEXEMES.sub(lambda m: literals[m["parameter"]] if m["parameter"] else m[0], self.body)


@cache
def named_queries() -> Mapping[str, Query]:
    """Every query by its name, in order of the topics.

    Raises:
        ConfigurationError: a file is not as it must be.
    """
    sources = _sources()
    parts = {name: _without_comments(text) for name, text in sources.pop(_PARTS).items()}
    found: dict[str, Query] = {}
    for topic in TOPICS:
        for name, text in sources.pop(topic).items():
            if name in found or name in parts:
                raise ConfigurationError(f"Two queries are called {name}")
            found[name] = _query(topic, name, text, parts)
    if sources:
        raise ConfigurationError(f"queries/ has folders that are no topics: {', '.join(sorted(sources))}")
    return found


def named_query(name: str) -> Query:
    """One query.

    Raises:
        ConfigurationError: there is none of the name.
    """
    found = named_queries().get(name)
    if found is None:
        import difflib  # noqa: PLC0415 - for mistakes only

        near = difflib.get_close_matches(name, named_queries(), n=3)
        hint = f"did you mean {' or '.join(near)}?" if near else "`overwatch queries` lists them"
        raise ConfigurationError(f"There is no query {name}: {hint}")
    return found


def part_names() -> list[str]:
    """Names of what several queries share."""
    return list(_sources()[_PARTS])


def used_parameters(body: str) -> set[str]:
    """Names of the parameters that an SQL text has."""
    return {m["parameter"] for m in _LEXEMES.finditer(body) if m["parameter"]}


def _sources() -> dict[str, dict[str, str]]:
    """Texts of all files, by folder and name."""
    root = files("overwatch_assets.consumer") / "queries"
    return {
        folder.name: {
            file.name.removesuffix(".sql"): file.read_text(encoding="utf-8")
            for file in sorted(folder.iterdir(), key=lambda f: f.name)
        }
        for folder in root.iterdir()
        if folder.is_dir()
    }


def _query(topic: str, name: str, text: str, parts: Mapping[str, str]) -> Query:
    question, meaning, parameters = _header(topic, name, text)
    body = _with_parts(_without_comments(text), parts)
    used = used_parameters(body)
    if used != set(parameters):
        odd = ", ".join(sorted(used ^ set(parameters)))
        raise ConfigurationError(f"{topic}/{name}.sql: documented and used parameters differ in {odd}")
    return Query(name, topic, question, meaning, parameters, body)


def _header(topic: str, name: str, text: str) -> tuple[str, str, dict[str, Parameter]]:
    """Read the comment: question, meaning, parameters."""
    lines = []
    for line in text.splitlines():
        if not line.startswith("--"):
            break
        lines.append(line.removeprefix("--").strip())
    paragraphs = [p.splitlines() for p in "\n".join(lines).split("\n\n")]
    if len(paragraphs) != 3 or len(paragraphs[0]) != 1 or not paragraphs[0][0].endswith("?"):
        raise ConfigurationError(f"{topic}/{name}.sql must begin with a question, its meaning and its parameters")
    declared = [_parameter(f"{topic}/{name}.sql", line) for line in paragraphs[2]]
    return paragraphs[0][0], " ".join(paragraphs[1]), {p.name: p for p in declared}


def _parameter(where: str, line: str) -> Parameter:
    match = _DECLARED.fullmatch(line)
    shared = SHARED.get(match["name"]) if match else None
    if match is None or (shared is None) == (match["doc"] is None):
        raise ConfigurationError(f"{where}: '{line}' is no parameter")
    kind = shared.kind if shared else match["kind"]
    if kind not in get_args(Kind) or (shared is not None and match["kind"]) or not (shared or match["default"]):
        raise ConfigurationError(f"{where}: '{line}' needs one of the types {', '.join(get_args(Kind))} and a default")
    default = shared.default if shared else None
    read = Parameter(match["name"], cast("Kind", kind), None, shared.doc if shared else match["doc"])
    if match["default"] and match["default"] != "none":
        default = read.value(match["default"])
    return Parameter(read.name, read.kind, default, read.doc)


def _without_comments(text: str) -> str:
    return "\n".join(line for line in text.splitlines() if not line.startswith("--")).strip()


def _with_parts(body: str, parts: Mapping[str, str]) -> str:
    """Put the parts that a text reads before it, those that they read first."""
    needed: dict[str, str] = {}

    def need(text: str) -> None:
        for name, part in parts.items():
            if name not in needed and re.search(rf"\b(?:from|join)\s+{name}\b", text):
                need(part)
                needed[name] = part

    need(body)
    if not needed:
        return body
    steps = ",\n".join(f"{name} as (\n{_indented(part)}\n)" for name, part in needed.items())
    own = body.removeprefix("with ")
    return f"with {steps}{',' if own != body else ''}\n{own}"


def _indented(text: str) -> str:
    return "\n".join(f"  {line}" for line in text.splitlines())
