"""Asset checks of every table: from its contract, from `pipeline_report`, from quarantine.

What is looked at in the rows is what the run loaded; a run without partitions (a check started by hand) looks at all.
What a table's invariants look at are the run's days of every workspace.
Holes and stale days are of all workspaces and days: they are told from the report, without reading the tables.
"""

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import dagster as dg
from dagster._core.definitions.asset_checks.asset_check_evaluation import AssetCheckEvaluationTargetMaterializationData
from dagster._core.storage.asset_check_execution_record import (
    COMPLETED_ASSET_CHECK_EXECUTION_RECORD_STATUSES,
    AssetCheckExecutionRecord,
)
from pyspark.sql import functions as F

from overwatch_assets.config.deployment import ACCOUNT
from overwatch_assets.contract.registry import modules
from overwatch_assets.contract.table import Invariant, Table
from overwatch_assets.errors import OverwatchError
from overwatch_assets.orchestration.io_manager import of_days
from overwatch_assets.orchestration.partitions import of_run
from overwatch_assets.orchestration.resources import SparkResource
from overwatch_assets.orchestration.state import quarantined
from overwatch_assets.rules.days import DAY_MS
from overwatch_assets.runner.staleness import State
from overwatch_assets.runner.window import Window
from overwatch_assets.storage.tables import TableStore

_SHOWN = 50  # findings named in a check's metadata

_UNIQUE = "unique_key"
_CONTRACT = "contract"
_HOLES = "no_holes"
_STALE = "up_to_date"
_QUARANTINE = "no_quarantine"
_OF_ROWS = (_UNIQUE, _CONTRACT, _QUARANTINE)  # of the days that a run loaded; the others are of all workspaces


@dataclass(frozen=True)
class Checked:
    """The rows that a run's checks look at.

    Attributes:
        days: by workspace; None: all of them.
    """

    spark: SparkResource
    days: Mapping[str, list[dt.date] | None]

    def stores(self) -> Iterator[tuple[str, TableStore, list[dt.date] | None]]:
        """Tables by workspace, with the days to look at."""
        for workspace_id, days in self.days.items():
            yield workspace_id, self.spark.platform.store(workspace_id), days


@dataclass
class Findings:
    """What is wrong, one line each."""

    lines: list[str] = field(default_factory=list)

    def result(self, table: Table, name: str, severity: dg.AssetCheckSeverity) -> dg.AssetCheckResult:
        """Return the check's result, with the first lines."""
        return dg.AssetCheckResult(
            asset_key=dg.AssetKey(table.name),
            check_name=name,
            passed=not self.lines,
            severity=severity,
            description="; ".join(self.lines[:3]) or None,
            metadata={
                "found": len(self.lines),
                **(
                    {"list": dg.MetadataValue.md("\n".join(f"- {x}" for x in self.lines[:_SHOWN]))}
                    if self.lines
                    else {}
                ),
            },
        )


def table_checks(partitions: dg.MultiPartitionsDefinition) -> list[dg.AssetChecksDefinition]:
    """Make the checks of every module's table."""
    return [checks_of(t, partitions) for t in modules()]


def checks_of(table: Table, partitions: dg.MultiPartitionsDefinition) -> dg.AssetChecksDefinition:
    """Make one step with all checks of a table."""

    @dg.multi_asset_check(name=f"{table.name}_checks", specs=_specs(table), required_resource_keys={"spark"})
    def check(context: dg.AssetCheckExecutionContext) -> Iterator[dg.AssetCheckResult]:
        spark: SparkResource = context.resources.spark
        everything = {w.workspace_id: None for w in spark.deployment.active_workspaces}
        days = of_run(context.run.tags, partitions)
        asked = everything if days is None else {w: d for w, d in days.items() if w != ACCOUNT}
        loaded = Checked(spark, asked)
        told = list(_rows(table, loaded))
        yield from told
        below = _below(table, context)
        states, unread = spark.states([table, *below], required=asked)
        # Of all workspaces: a check shows its last result alone, which else would hide what another's run found.
        of_run_days = None if days is None else sorted({d for each in asked.values() for d in each or ()})
        everywhere = Checked(spark, dict.fromkeys(states, of_run_days))
        for result in _others(table, loaded, everywhere, states, unread):
            told.append(result)
            yield result
        _tell_again(context, table, told)
        for each in below:  # now, not only when they are loaded
            if (found := _stale(each, states)).lines:
                key = dg.AssetCheckKey(dg.AssetKey(each.name), _STALE)
                _tell(context, key, found.result(each, _STALE, dg.AssetCheckSeverity.WARN), _last_made(context, each))

    return check


def _specs(table: Table) -> list[dg.AssetCheckSpec]:
    described = {
        _UNIQUE: f"No two rows have the same organization_id, {', '.join(table.keys)}.",
        _CONTRACT: "Columns and types are the contract's, and no null is where it allows none.",
        _HOLES: "Between the first and the last day that was loaded, every day was.",
        _STALE: "No input has changed since a day was loaded from it. Stale days: load them again, with what is below.",
    }
    if table.layer == "bronze":
        described[_QUARANTINE] = "No input was refused; what was is in quarantine_bronze."
    # Tables below would count doubled rows twice, so they wait for this one.
    described |= {invariant.name: invariant.doc for invariant in table.invariants}
    return [
        dg.AssetCheckSpec(name, asset=dg.AssetKey(table.name), description=text, blocking=name == _UNIQUE)
        for name, text in described.items()
    ]


def _others(
    table: Table,
    loaded: Checked,
    everywhere: Checked,
    states: Mapping[str, State],
    unread: Mapping[str, OverwatchError],
) -> Iterator[dg.AssetCheckResult]:
    """All checks but those of keys and nulls."""
    for name, found in _of_all(table, states, everywhere):
        found.lines += [f"workspace {w}: {error}" for w, error in unread.items()]
        yield found.result(table, name, dg.AssetCheckSeverity.WARN)
    if table.layer == "bronze":
        yield _refused(table, loaded).result(table, _QUARANTINE, dg.AssetCheckSeverity.WARN)


def _rows(table: Table, checked: Checked) -> Iterator[dg.AssetCheckResult]:
    """Keys and nulls, in one pass over the rows."""
    unique, contract = Findings(), Findings()
    keys = ("organization_id", *table.keys)
    filled = [c.name for c in table.columns if not c.nullable]
    for workspace_id, store, days in checked.stores():
        if not store.exists(table):
            continue
        if differences := store.differences(table):
            contract.lines += [f"workspace {workspace_id}: {text}" for text in differences]
            continue
        nulls = [F.sum(F.col(n).isNull().cast("bigint")).alias(f"null_{n}") if n not in keys else None for n in filled]
        grouped = (
            of_days(store, table.name, days)
            .groupBy(*keys)
            .agg(F.count(F.lit(1)).alias("_n"), *(n for n in nulls if n is not None))
        )
        sums = [
            F.sum(F.when(F.col(n).isNull(), F.col("_n")) if n in keys else F.col(f"null_{n}")).alias(f"null_{n}")
            for n in filled
        ]
        twice = F.sum((F.col("_n") > 1).cast("bigint")).alias("_twice")
        (row,) = store.arrow(grouped.agg(twice, *sums)).to_pylist()
        if row["_twice"]:
            unique.lines.append(f"workspace {workspace_id}: {row['_twice']} keys have several rows")
        contract.lines += [
            f"workspace {workspace_id}: {row[f'null_{n}']} rows have no {n}" for n in filled if row[f"null_{n}"]
        ]
    yield unique.result(table, _UNIQUE, dg.AssetCheckSeverity.ERROR)
    yield contract.result(table, _CONTRACT, dg.AssetCheckSeverity.ERROR)


def _of_all(table: Table, states: Mapping[str, State], checked: Checked) -> Iterator[tuple[str, Findings]]:
    """What is looked at in every workspace, each check with what it found."""
    yield _HOLES, _holes(table, states)
    yield _STALE, _stale(table, states)
    for invariant in table.invariants:
        yield invariant.name, _broken(table, invariant, checked)


def _broken(table: Table, invariant: Invariant, checked: Checked) -> Findings:
    found = Findings()
    for workspace_id, store, days in checked.stores():
        if store.exists(table):
            broken = invariant.find(of_days(store, table.name, days))
            told = store.arrow(broken.groupBy(F.col(broken.columns[0]).alias("_told")).count()).to_pylist()
            told.sort(key=lambda r: (-r["count"], str(r["_told"])))
            found.lines += [f"workspace {workspace_id}: {r['count']} rows: {r['_told']}" for r in told]
    return found


def _holes(table: Table, states: Mapping[str, State]) -> Findings:
    return Findings(
        [
            f"workspace {w}: {_shown(window)} is not loaded"
            for w, state in states.items()
            for window in state.holes(table)
        ]
    )


def _shown(window: Window) -> str:
    """Whole days as days, parts of days with their times (UTC)."""
    if window.from_ms % DAY_MS == window.until_ms % DAY_MS == 0:
        return str(window)
    ends = [dt.datetime.fromtimestamp(ms / 1000, dt.UTC) for ms in (window.from_ms, window.until_ms)]
    return " to ".join(end.strftime("%Y-%m-%d %H:%M") for end in ends)


def _stale(table: Table, states: Mapping[str, State]) -> Findings:
    return Findings(
        [
            f"workspace {w}: {day}, after a change of {', '.join(names)}"
            for w, state in states.items()
            for day, names in state.stale(table).items()
        ]
    )


def _refused(table: Table, checked: Checked) -> Findings:
    return Findings(
        [
            f"workspace {w}: {number} times {reason}"
            for w, days in checked.days.items()
            for reason, number in quarantined(checked.spark.deployment, w, table, days).items()
        ]
    )


def _below(table: Table, context: dg.AssetCheckExecutionContext) -> list[Table]:
    """Tables made of this one that the run does not load."""
    in_run = context.job_def.asset_layer.selected_asset_keys
    return [t for t in modules() if table.name in t.upstreams and dg.AssetKey(t.name) not in in_run]


def _tell_again(context: dg.AssetCheckExecutionContext, table: Table, told: Sequence[dg.AssetCheckResult]) -> None:
    """Repeat what Dagster would not show, where runs of several workspaces load a table side by side.

    Dagster shows the run that was planned last, though another one looked later; and nothing at all where that run's
    result is not of the table's last materialization. What is of all workspaces is shown as it was seen last; what is
    of a run's rows is repeated only where nothing would be shown.
    """
    last = _last_made(context, table)
    results = {dg.AssetCheckKey(dg.AssetKey(table.name), result.check_name or ""): result for result in told}
    latest = context.instance.event_log_storage.get_latest_asset_check_execution_by_key(list(results))
    for key, record in latest.items():
        if record.status not in COMPLETED_ASSET_CHECK_EXECUTION_RECORD_STATUSES:
            continue  # its run tells it
        is_older = key.name not in _OF_ROWS and record.run_id != context.run.run_id
        if is_older or not _is_shown(record, last):
            _tell(context, key, results[key], last)


def _is_shown(record: AssetCheckExecutionRecord, last: dg.EventLogRecord | None) -> bool:
    """Whether Dagster shows a result, as one of the table's last materialization."""
    evaluation = record.evaluation
    of = None if evaluation is None else evaluation.target_materialization_data
    return last is None or record.run_id == last.run_id or (of is not None and of.storage_id == last.storage_id)


def _last_made(context: dg.AssetCheckExecutionContext, table: Table) -> dg.EventLogRecord | None:
    """The last materialization of a table, of whatever partition."""
    return next(iter(context.instance.fetch_materializations(dg.AssetKey(table.name), limit=1).records), None)


def _tell(
    context: dg.AssetCheckExecutionContext,
    key: dg.AssetCheckKey,
    result: dg.AssetCheckResult,
    last: dg.EventLogRecord | None,
) -> None:
    """Report a result beside the run's steps, as one of the table's last materialization.

    Without that Dagster compares times, of which SQLite keeps the second alone.
    """
    of = (
        None
        if last is None
        else AssetCheckEvaluationTargetMaterializationData(
            storage_id=last.storage_id, run_id=last.run_id, timestamp=last.timestamp
        )
    )
    context.instance.report_runless_asset_event(
        dg.AssetCheckEvaluation(
            asset_key=key.asset_key,
            check_name=key.name,
            passed=result.passed,
            severity=result.severity,
            description=result.description,
            metadata=result.metadata,
            target_materialization_data=of,
        )
    )
