"""Load random workspaces, compare their costs with the truth, and write `docs/accuracy.md`."""

import sys
import tempfile
from fractions import Fraction
from pathlib import Path

from overwatch_assets.engine.session import session
from overwatch_assets.sample.random_story import Story, random_story
from overwatch_assets.sample.truth import truth
from overwatch_assets_tests.accuracy.naive import RULES, known, wrong
from overwatch_assets_tests.sample.generated import Told

DOCUMENT = Path(__file__).parents[2] / "docs" / "accuracy.md"
SEEDS, DAYS = range(1, 11), 5
_OURS = ("cluster_days", "runs", "run_days")

_TEXT = """# Accuracy

How far costs are from the truth, on random workspaces. `make accuracy` writes this file: {which}.

A workspace is a story from a seed (`overwatch_assets/sample/random_story.py`): clusters that scale over midnight, are edited while they are
on, share nodes of a pool, end without saying so; runs that overlap, start others, are repaired, retried and cancelled; prices that change.
It is told as audit logs, answers of the API and a price file (`random_logs.py`), loaded by the runner into all tables of costs, and compared
with what it really cost (`truth.py`): exact fractions, by code that no table shares.

## The tables
Rows are those of `clusterCostDaily`, `jobRunCostPotentialFact` and `jobRunCostDaily`; the error is the largest relative one of a row that cost
a cent or more. Costs are whole trillionths of a dollar, so what is left is rounding.

| seed | clusters | runs | dollars | rows | missing | too many | largest error |
|---|---|---|---|---|---|---|---|
{ours}

## Simpler rules on the same workspaces
The differences of all rows, too much and too little, as a part of all dollars; in brackets the largest relative error of a row that really
cost a cent or more.

- **whole first state**: each run pays all of the state that it started in, and its share of later ones (rows of `jobRunCostPotentialFact`);
- **all on the first day**: a run's cost stands on the day that it started (`jobRunCostDaily`);
- **unknown is 0**: a node type that no price file has costs nothing, and no row says so (`clusterCostDaily`, against the price that there really
  is). The tables have the same total there, but null in what is not known, and `cost_status` names it on each row;
- **1 ms less**: a state lasts until the millisecond before the next one (`clusterStateFact`);
- **children pay too**: a notebook run that another one started is charged beside it (`jobRunCostPotentialFact`).

| seed | {names} |
|---|{lines}
{naive}
"""


def main() -> None:
    """Write the document."""
    ours = []
    with session() as spark, tempfile.TemporaryDirectory(prefix="overwatch-accuracy-") as folder:
        for seed in SEEDS:
            shop = Told.of(spark, Path(folder, str(seed)), random_story(seed, DAYS))
            shop.chain_all()
            ours.append(of_tables(shop))
            sys.stdout.write(f"{ours[-1]}\n")
    DOCUMENT.write_text(document(ours), encoding="utf-8")


def document(ours: list[str]) -> str:
    """The document, with the rows of what the tables say."""
    names = [name for name, _ in RULES]
    naive = "\n".join(of_rules(random_story(seed, DAYS)) for seed in SEEDS)
    return _TEXT.format(
        which=f"seeds {SEEDS[0]} to {SEEDS[-1]}, {DAYS} days each",
        ours="\n".join(ours),
        names=" | ".join(names),
        lines="---|" * len(names),
        naive=naive,
    )


def of_tables(shop: Told) -> str:
    """A row of the first table."""
    story = shop.story
    assert story is not None
    real, found = truth(story), shop.costs()
    rows = missing = extra = 0
    worst = 0.0
    for name in _OURS:
        bills, table = getattr(real, name), found[name]
        rows, missing, extra = rows + len(table), missing + len(bills.keys() - table), extra + len(table.keys() - bills)
        totals = {key: Fraction(row["total_cost"] or 0) for key, row in table.items()}
        worst = max(worst, wrong(totals, known(bills)).worst)
    whole = sum(known(real.cluster_days).values())
    runs = len(real.runs)
    return (
        f"| {story.seed} | {len(story.clusters)} | {runs} | {float(whole):.2f} | {rows} | {missing} | {extra} | "
        f"{worst:.0e} |"
    )


def of_rules(story: Story) -> str:
    """A row of the second table."""
    cells = [f"{percent(found.overall)} ({percent(found.worst)})" for found in (rule(story) for _, rule in RULES)]
    return f"| {story.seed} | {' | '.join(cells)} |"


def percent(part: float) -> str:
    """A part as percent, with two digits that say something."""
    return f"{part * 100:.2g} %" if part < 1 else f"{part * 100:.0f} %"


if __name__ == "__main__":
    main()
