"""The list of named queries as Markdown, written from their files."""

from overwatch_assets.consumer.named_queries import TOPICS, Query, named_queries


def render() -> str:
    """Write the whole list: each query's question, meaning and parameters."""
    lines = [
        "# Named queries",
        "",
        "Written by `overwatch queries docs` from the files in `overwatch_assets/consumer/queries/`; do not edit.",
        "`overwatch queries run NAME -p name=value` answers one; `overwatch queries show NAME` prints its SQL, which",
        "runs in `overwatch sql` and on Spark over the consumer views.",
        "",
        "Days are UTC days, `[from, until)`. Money is in US dollars. A day's money is that of the day alone, also",
        "where a state of a cluster goes over midnight. What runs share they split; what no run used is idle cost, the",
        "cluster's own. A price that is not known is in no sum, nor what a run or a command cost while its cluster's",
        "state is not known: the column `unpriced` counts where one is missing. A user is one however services write",
        "the name: where users are counted or grouped, names are in lower case.",
    ]
    for topic, title in TOPICS.items():
        lines += ["", f"## {title}"]
        for query in (q for q in named_queries().values() if q.topic == topic):
            lines += ["", *_query(query)]
    return "\n".join(lines) + "\n"


def _query(query: Query) -> list[str]:
    return [
        f"### {query.name}",
        "",
        query.question,
        "",
        query.meaning,
        "",
        "| Parameter | Type | Default | Meaning |",
        "|---|---|---|---|",
        *(f"| `{p.name}` | {p.kind} | {p.shown_default} | {p.doc} |" for p in query.parameters.values()),
    ]
