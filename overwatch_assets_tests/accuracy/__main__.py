"""Load random workspaces, compare their costs with the truth, and write `docs/accuracy.md`."""

import sys
import tempfile
from collections.abc import Iterable, Mapping
from fractions import Fraction
from pathlib import Path

from overwatch_assets.engine.session import session
from overwatch_assets.sample.random_parts import Story
from overwatch_assets.sample.random_story import random_story
from overwatch_assets.sample.truth import Bills
from overwatch_assets_tests.accuracy.naive import RULES, Rules, known, wrong
from overwatch_assets_tests.accuracy.naive_sql import COMMAND_RULES, WAREHOUSE_RULES
from overwatch_assets_tests.sample.generated import Told, bills

DOCUMENT = Path(__file__).parents[2] / "docs" / "accuracy.md"
SEEDS, DAYS = range(1, 11), 5
_CLUSTERS, _SQL = ("cluster_days", "runs", "run_days"), ("warehouse_states", "commands")

_TEXT = """# Accuracy

How far costs are from the truth, on random workspaces. `make accuracy` writes this file: {which}.

A workspace is a story from a seed (`overwatch_assets/sample/random_story.py`): clusters that scale over midnight, are edited while they are
on, share nodes of a pool, end without saying so; runs that overlap, start others, are repaired, retried and cancelled; SQL warehouses that scale,
change their size and type while they run, and whose stops nobody tells; notebook commands, many at once, over midnight and over changes of
their cluster; prices that change. It is told as audit logs, answers of the API, a system table and a price file (`random_logs.py`,
`random_sql_logs.py`), loaded by the runner into all tables of costs, and compared with what it really cost (`truth.py`, `truth_warehouses.py`,
`truth_commands.py`): exact fractions, by code that no table shares.

## The tables
Rows are those of `clusterCostDaily`, `jobRunCostPotentialFact` and `jobRunCostDaily`; the error is the largest relative one of a row that cost
a cent or more. Costs are whole trillionths of a dollar, so what is left is rounding.

| seed | clusters | runs | dollars | rows | missing | too many | largest error |
|---|---|---|---|---|---|---|---|
{clusters}

Those of `warehouseStateFact` and `notebookCommands`. What commands cost is a second view on clusters' costs.

| seed | warehouses | dollars | commands | dollars | rows | missing | too many | largest error |
|---|---|---|---|---|---|---|---|---|
{sql}

## Simpler rules on the same workspaces
The differences of all rows, too much and too little, as a part of all dollars; in brackets the largest relative error of a row that really
cost a cent or more.

- **whole first state**: each run pays all of the state that it started in, and its share of later ones (rows of `jobRunCostPotentialFact`);
- **all on the first day**: a run's cost stands on the day that it started (`jobRunCostDaily`);
- **unknown is 0**: a node type that no price file has costs nothing, and no row says so (`clusterCostDaily`, against the price that there really
  is). The tables have the same total there, but null in what is not known, and `cost_status` names it on each row;
- **1 ms less**: a state lasts until the millisecond before the next one (`clusterStateFact`);
- **children pay too**: a notebook run that another one started is charged beside it (`jobRunCostPotentialFact`).

{of_clusters}

### SQL warehouses
- **first size**: a warehouse has the size that it had first;
- **next definition**: a state has the definition that came after its start (Overwatch's rule);
- **one cluster**: DBUs and nodes of one cluster, however many run (Overwatch's rule for DBUs);
- **one rate**: every warehouse is paid as a classic one (Overwatch's one rate);
- **unknown is 0**: as above;
- **of each moment**: no simpler rule, but the other choice: a state is cut where a price or its definition changes. The tables price it whole, as
  of its start, and so does the truth.

{of_warehouses}

### Notebook commands
- **not shared**: each command pays all of the cluster while it runs;
- **whole states**: a command pays all of each state that it meets;
- **mean of the cluster**: its time at the mean of all that the cluster ever cost (Overwatch's rule);
- **unknown is 0**: as above.

{of_commands}
"""


def main() -> None:
    """Write the document."""
    clusters, sql = [], []
    with session() as spark, tempfile.TemporaryDirectory(prefix="overwatch-accuracy-") as folder:
        for seed in SEEDS:
            shop = Told.of(spark, Path(folder, str(seed)), random_story(seed, DAYS))
            shop.chain_all()
            of_clusters, of_sql = of_tables(shop)
            clusters.append(of_clusters)
            sql.append(of_sql)
            sys.stdout.write(f"{of_clusters}\n{of_sql}\n")
    DOCUMENT.write_text(document(clusters, sql), encoding="utf-8")


def document(clusters: list[str], sql: list[str]) -> str:
    """The document, with the rows of what the tables say."""
    return _TEXT.format(
        which=f"seeds {SEEDS[0]} to {SEEDS[-1]}, {DAYS} days each",
        clusters="\n".join(clusters),
        sql="\n".join(sql),
        of_clusters=_table(RULES),
        of_warehouses=_table(WAREHOUSE_RULES),
        of_commands=_table(COMMAND_RULES),
    )


def _table(rules: Rules) -> str:
    names = [name for name, _ in rules]
    rows = (of_rules(random_story(seed, DAYS), rules) for seed in SEEDS)
    return "\n".join([f"| seed | {' | '.join(names)} |", f"|---|{'---|' * len(names)}", *rows])


def of_tables(shop: Told) -> tuple[str, str]:
    """A row of each of the first two tables."""
    story = shop.story
    assert story is not None
    real = bills(story)
    whole = {name: f"{float(sum(known(of).values())):.2f}" for name, of in real.items()}
    of_clusters = f"{len(story.clusters)} | {len(real['runs'])} | {whole['cluster_days']}"
    of_sql = f"{len(story.warehouses)} | {whole['warehouse_states']} | {len(real['commands'])} | {whole['commands']}"
    first, second = (
        f"| {story.seed} | {what} | {_compared(shop, real, names)} |"
        for what, names in ((of_clusters, _CLUSTERS), (of_sql, _SQL))
    )
    return first, second


def _compared(shop: Told, real: Mapping[str, Bills], names: Iterable[str]) -> str:
    """Rows, those that are missing or too many, and the largest error of some tables."""
    found = shop.costs()
    rows = missing = extra = 0
    worst = 0.0
    for name in names:
        table = found[name]
        rows += len(table)
        missing, extra = missing + len(real[name].keys() - table), extra + len(table.keys() - real[name])
        totals = {key: Fraction(row["total_cost"] or 0) for key, row in table.items()}
        worst = max(worst, wrong(totals, known(real[name])).worst)
    return f"{rows} | {missing} | {extra} | {worst:.0e}"


def of_rules(story: Story, rules: Rules) -> str:
    """A row of a table of simpler rules."""
    cells = [f"{percent(found.overall)} ({percent(found.worst)})" for found in (rule(story) for _, rule in rules)]
    return f"| {story.seed} | {' | '.join(cells)} |"


def percent(part: float) -> str:
    """A part as percent, with two digits that say something."""
    return f"{part * 100:.2g} %" if part < 0.995 else f"{part * 100:.0f} %"


if __name__ == "__main__":
    main()
