"""Named queries on the command line: listed, described, answered, and written down."""

from pathlib import Path

from overwatch_assets.cli import ask
from overwatch_assets.cli.output import console, print_csv, print_json, print_table, write_generated
from overwatch_assets.cli.where import deployment_of
from overwatch_assets.consumer.named_queries import TOPICS, Query, named_queries, named_query
from overwatch_assets.consumer.query_docs import render
from overwatch_assets.errors import ConfigurationError


def listing(*, as_json: bool) -> None:
    """Print every query by topic."""
    found = list(named_queries().values())
    if as_json:
        print_json([_as_document(q) for q in found])
        return
    for topic, title in TOPICS.items():
        print_table(title, ("query", "question"), [(q.name, q.question) for q in found if q.topic == topic], whole=True)
    console().print("`overwatch queries show NAME` describes one, `overwatch queries run NAME` answers it.")


def show(name: str, *, as_json: bool) -> None:
    """Print what a query means, its parameters and its SQL."""
    query = named_query(name)
    if as_json:
        print_json({**_as_document(query), "sql": query.sql()})
        return
    out = console()
    for text in (query.question, "", query.meaning):
        out.print(text, markup=False)
    rows = [(p.name, p.kind, p.shown_default, p.doc) for p in query.parameters.values()]
    print_table("", ("parameter", "type", "default", "meaning"), rows, whole=True)
    out.print(query.sql(), markup=False, soft_wrap=True)


def run(
    name: str, parameters: list[str], deployment: str | None, storage: str | None, *, form: str, limit: int
) -> None:
    """Print the answer to a query: as a table of at most ``limit`` rows, or all of it as csv or json."""
    query = named_query(name)
    given = _given(query, parameters)
    values, sql = query.values(given), query.sql(given)
    asked = deployment_of(deployment, storage)
    named = values.get("workspaces")
    ids = asked.chosen(named if isinstance(named, tuple) else ())  # only their files are read
    with ask.platform_of(asked) as platform, ask.answered(platform, ids, sql) as frame:
        if form == "table":
            ask.print_rows(frame, limit=limit, more_by="--limit or --format json")
        elif form == "csv":
            print_csv(frame.columns, ask.rows_of(frame))
        else:
            for row in ask.rows_of(frame):
                print_json(row)


def docs(output: Path, *, check: bool) -> None:
    """Write the list of queries, or check that it is what their files say."""
    write_generated(output, render(), check=check, source="the queries", command="overwatch queries docs")


def _given(query: Query, pairs: list[str]) -> dict[str, object]:
    found: dict[str, object] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals:
            raise ConfigurationError(f"Query {query.name}: write a parameter as NAME=VALUE, not '{pair}'")
        if name in found:
            raise ConfigurationError(f"Query {query.name}: {name} is given twice")
        found[name] = value
    return found


def _as_document(query: Query) -> dict[str, object]:
    return {
        "name": query.name,
        "topic": query.topic,
        "question": query.question,
        "meaning": query.meaning,
        "parameters": [
            {"name": p.name, "type": p.kind, "default": p.default, "meaning": p.doc} for p in query.parameters.values()
        ],
    }
