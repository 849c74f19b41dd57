"""Module 3019: notebook commands and what they cost."""

from collections.abc import Iterator, Mapping
from typing import Any

from pyspark.sql import DataFrame, functions as F

from overwatch_assets.contract import AsOf, Column, Events, Fold, Linked, View, table
from overwatch_assets.gold.clusterstatefact_gold import clusterstatefact_gold as STATES
from overwatch_assets.rules.audit_records import IDENTITY, RESPONSE
from overwatch_assets.rules.command_costs import Charge, Command, Piece, Run, charges
from overwatch_assets.rules.cost_segments import AMOUNTS, NO_STATE, PRICED, Amounts
from overwatch_assets.rules.lookups import lookup_when
from overwatch_assets.rules.money import COST_STATUS, EVERYTHING_PRICED, PARTS, TOTAL_COST, money
from overwatch_assets.rules.names import member
from overwatch_assets.rules.notebook_records import NAMING, RUN, SERVICE, command_start, requests_of
from overwatch_assets.rules.per_entity import answered, gathered
from overwatch_assets.rules.spark_time import timestamp_of
from overwatch_assets.rules.windows import numbered

_AUDIT = "audit_log_bronze"
_COMPUTE = "event_command_cluster_id"
_OF_STATE = ("cluster_name", "custom_tags", "node_type_id")
_STATE_TYPES = ",".join(f"{c}:string" for c in _OF_STATE)
_IN_THE_STATE = "in the state that it ran in for the longest time"
_SUMS = tuple(f"{prefix}{name}" for name in AMOUNTS for prefix in ("_", "_known_"))
_DDL = (
    f"compute:string,endMS:bigint,hashKey:bigint,cost_status:string,concurrent_commands:bigint,{_STATE_TYPES},"
    f"node_count:bigint,job_run_ids:array<bigint>,{','.join(f'{name}:bigint' for name in _SUMS)}"
)
_VIEW = (
    "organization_id",
    "workspace_name",
    "date",
    "timestamp",
    "notebook_id",
    "notebook_path",
    "notebook_name",
    "command_id",
    "command_text",
    "execution_time_s",
    "source_ip_address",
    "user_identity",
    "estimated_dbu_cost",
    "status",
    "cluster_id",
    *_OF_STATE[:2],
    "node_type_id",
    "node_count",
    "response",
    "user_agent",
    "unixTimeMS",
    "total_dbus",
    *(c.name for c in PARTS),
    "total_cost",
    "cost_status",
    "endEpochMS",
    "concurrent_commands",
    "job_run_ids",
)


def _of_record(name: str, kind: str, doc: str, source: str = "requestParams") -> Column:
    return Column(name, kind, doc, source=(f"{_AUDIT}.{source}",))


@table(
    module_id=3019,
    module_name="Gold_NotebookCommands",
    rebuild=Fold(),
    entity=("compute", "date"),
    keys=("command_id", "unixTimeMS", "compute", "date", "sequence"),
    partition="date",
    z_order=("notebook_id",),
    invariants=(EVERYTHING_PRICED,),
    # What began on an earlier day counts for the day on which a command that met it ended: hence `reach`.
    inputs={
        "notebook_gold": (
            Linked(("cluster_id",), reach="notebook_gold"),
            AsOf(
                "notebook_id",
                stored="notebooks_used",
                uses="notebook_id",
                since="date",
                earlier="path_after",
                only={"action": NAMING},
            ),
        ),
        "clusterstatefact_gold": Linked(("cluster_id",), reach="notebook_gold"),
        "audit_log_bronze": Events((_COMPUTE, "date"), only={"serviceName": (SERVICE,), "actionName": (RUN,)}),
        "jobrun_gold": Linked(("cluster_id",), reach="notebook_gold", optional=True),
    },
    view=View("notebookCommands", _VIEW),
    columns=(
        Column(
            "date",
            "date",
            "UTC day of the record, which is written when the command has run.",
            source=(f"{_AUDIT}.date",),
            nullable=False,
        ),
        Column("timestamp", "timestamp", "Start of the command, UTC: its record's time less its execution time."),
        _of_record("notebook_id", "string", "Notebook."),
        Column("notebook_path", "string", "Path of the notebook when it ran.", source=("notebook_gold.path_after",)),
        Column("notebook_name", "string", "Name of the notebook when it ran.", source=("notebook_gold.name_after",)),
        _of_record("command_id", "string", "Command."),
        _of_record("command_text", "string", "What was run."),
        _of_record("execution_time_s", "double", "How long it ran, seconds; null: the record does not say."),
        _of_record("source_ip_address", "string", "Address that it was sent from.", "sourceIPAddress"),
        _of_record("user_identity", IDENTITY, "Who ran it.", "userIdentity"),
        Column(
            "estimated_dbu_cost",
            "double",
            "DBUs of its part of the cluster, dollars. A second view on the cluster's cost: never to be added to what "
            "job runs cost.",
        ),
        _of_record("status", "string", "How it ended: `finished`, `failed`, ..."),
        Column("cluster_id", "string", "Cluster; null: the record names none.", source=(f"{_AUDIT}.{_COMPUTE}",)),
        *(Column(n, STATES.by_name[n].type, f"{STATES.by_name[n].doc[:-1]}, {_IN_THE_STATE}.") for n in _OF_STATE),
        Column("node_count", "bigint", f"Workers of the cluster {_IN_THE_STATE}."),
        _of_record("response", RESPONSE, "Answer to the request.", "response"),
        _of_record("user_agent", "string", "Client that sent it.", "userAgent"),
        Column("unixTimeMS", "bigint", "Start of the command, epoch ms.", nullable=False),
        Column("total_dbus", "double", "DBUs of its part of the cluster."),
        *PARTS,
        TOTAL_COST,
        COST_STATUS,
        Column("endEpochMS", "bigint", "End of the command, epoch ms, exclusive.", nullable=False),
        Column("concurrent_commands", "bigint", "How many others ran on the cluster at once at most; null: not known."),
        Column(
            "job_run_ids",
            "array<bigint>",
            "Runs of jobs that were on the cluster meanwhile: what they cost is the same money.",
            nullable=False,
        ),
        Column(
            "sequence", "int", "Place among the records of one command, start, cluster and day, from 0.", nullable=False
        ),
        Column("compute", "string", "As `cluster_id`, empty where that is null.", nullable=False),
        Column("notebooks_used", "array<string>", "Notebooks whose name was looked up, found or not.", nullable=False),
    ),
)
def notebookcommands_gold(
    spans: DataFrame,
    notebook_gold: DataFrame,
    clusterstatefact_gold: DataFrame,
    audit_log_bronze: DataFrame,
    jobrun_gold: DataFrame,
) -> DataFrame:
    """Every notebook command that has run, and its part of what its cluster cost (verbose audit logs are needed).

    One row: one command. It pays for the parts of the cluster's states that it overlaps, and those that run on the
    cluster at once share each part. It is a second view on the cluster's cost: never to be added to that of job runs.
    """
    params = F.col("requestParams")
    commands = requests_of(audit_log_bronze).select(
        F.col(_COMPUTE).alias("compute"),
        F.col("date"),
        F.col("timestamp").alias("endMS"),
        "hashKey",
        "startMS",
        command_start(F.col("actionName"), F.col("timestamp"), member(params, "executionTime"))
        .isNotNull()
        .alias("_timed"),
        member(params, "notebookId").alias("notebook_id"),
        member(params, "commandId").alias("command_id"),
        member(params, "commandText").alias("command_text"),
        member(params, "executionTime").alias("execution_time_s"),
        F.col("sourceIPAddress").alias("source_ip_address"),
        F.col("userIdentity").alias("user_identity"),
        member(params, "status").alias("status"),
        "response",
        F.col("userAgent").alias("user_agent"),
    )
    costs = _costs(commands, notebook_gold, clusterstatefact_gold, jobrun_gold)
    costs = costs.select(*(F.col(c).alias(f"_of_{c}" if c in _IDENTITY else c) for c in costs.columns))
    named = _named(commands, notebook_gold).join(costs, [F.col(c) == F.col(f"_of_{c}") for c in _IDENTITY], "left")
    status = F.when(~F.col("_timed"), F.lit("missing execution time")).otherwise(F.lit(NO_STATE))
    instant = F.col("_timed") & (F.col("startMS") == F.col("endMS"))  # it took no time, and costs nothing
    amounts = {name: F.when(instant, F.lit(0.0)).otherwise(value) for name, value in money().items()}
    same = ("compute", "date", "command_id", "startMS")
    return numbered(named, "sequence", same, ("endMS", "hashKey")).select(
        "date",
        timestamp_of(F.col("startMS")).alias("timestamp"),
        *("notebook_id", "notebook_path", "notebook_name", "command_id", "command_text", "execution_time_s"),
        *("source_ip_address", "user_identity"),
        amounts.pop("total_dbu_cost").alias("estimated_dbu_cost"),
        "status",
        F.nullif("compute", F.lit("")).alias("cluster_id"),
        *_OF_STATE,
        *("node_count", "response", "user_agent"),
        F.col("startMS").alias("unixTimeMS"),
        *(value.alias(name) for name, value in amounts.items()),
        F.coalesce("cost_status", F.when(instant, F.lit(PRICED)), status).alias("cost_status"),
        F.col("endMS").alias("endEpochMS"),
        "concurrent_commands",
        F.coalesce("job_run_ids", F.array().cast("array<bigint>")).alias("job_run_ids"),
        "sequence",
        "compute",
        F.filter(F.array("notebook_id"), lambda k: k.isNotNull()).alias("notebooks_used"),
    )


_IDENTITY = ("compute", "endMS", "hashKey")


def _named(commands: DataFrame, notebooks: DataFrame) -> DataFrame:
    """Commands with the name and path that their notebook had; the first known ones serve earlier times too."""
    names = notebooks.where(F.col("action").isin(*NAMING) & F.col("path_after").isNotNull()).select(
        "notebook_id",
        "unixTimeMS",
        F.col("path_after").alias("notebook_path"),
        F.col("name_after").alias("notebook_name"),
        F.array_position(F.array(*(F.lit(a) for a in NAMING)), F.col("action")).alias("_rank"),
        "request_hash",
    )
    return lookup_when(
        commands,
        names,
        ["notebook_id"],
        "endMS",
        "unixTimeMS",
        columns=["notebook_path", "notebook_name"],
        look_ahead=True,
        order=["_rank", "request_hash"],
        by_row=True,
    )


def _costs(commands: DataFrame, notebooks: DataFrame, states: DataFrame, runs: DataFrame) -> DataFrame:
    """What the commands come to; the others that ran meanwhile are those of `notebook_gold`."""
    wanted = commands.where((F.col("compute") != "") & F.col("_timed") & (F.col("startMS") < F.col("endMS")))
    clusters = wanted.groupBy("compute").agg(
        F.min("startMS").alias("_from"),
        F.max("endMS").alias("_until"),
        F.collect_list(F.struct(F.col("startMS").alias("start"), F.col("endMS").alias("end"), "hashKey")).alias(
            "wanted"
        ),
    )
    on = F.col("cluster_id") == F.col("compute")

    def meeting(rows: DataFrame, start: str, end: str) -> DataFrame:
        """Rows that meet the time of their cluster's commands."""
        ends = F.col(end).isNull() | (F.col(end) > F.col("_from"))
        return clusters.select("compute", "_from", "_until").join(rows, on & (F.col(start) < F.col("_until")) & ends)

    there = meeting(notebooks.where(F.col("action") == RUN), "startEpochMS", "unixTimeMS")
    of_states = meeting(states, "unixTimeMS_state_start", "unixTimeMS_state_end_exclusive")
    ended = F.when(~F.col("is_open"), F.coalesce("endEpochMS", "startEpochMS"))
    runs = runs.withColumn("_ended", ended)
    of_runs = meeting(runs.where(F.col("startEpochMS").isNotNull()), "startEpochMS", "_ended")
    known = {
        "others": there.select(
            "compute",
            F.col("startEpochMS").alias("start"),
            F.col("unixTimeMS").alias("end"),
            F.col("request_hash").alias("hashKey"),
        ),
        "states": of_states.select(
            "compute",
            F.col("unixTimeMS_state_start").alias("start"),
            F.col("current_num_workers").alias("node_count"),
            *_OF_STATE,
            F.col("cost_by_day").alias("days"),
        ),
        "runs": of_runs.select("compute", "run_id", F.col("startEpochMS").alias("start"), F.col("_ended").alias("end")),
    }
    return answered(gathered(clusters.drop("_from", "_until"), ("compute",), known), _answer, _DDL)


def _answer(entity: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    wanted = [Command(c["start"], c["end"], c["hashKey"]) for c in entity["wanted"]]
    others = [Command(c["start"], c["end"], c["hashKey"]) for c in entity["others"] or ()]
    # The last of a millisecond is the one that has a length, hence pieces.
    states = {s["start"]: s for s in entity["states"] or () if s["days"]}
    pieces = [
        Piece(day["segment_start"], day["segment_end"], start, Amounts(**day["amounts"]), day["cost_status"])
        for start, state in states.items()
        for day in state["days"]
    ]
    runs = [Run(r["run_id"], r["start"], r["end"]) for r in entity["runs"] or ()]
    found = charges(pieces, [*wanted, *others], runs)
    for command in wanted:
        yield _row(entity["compute"], command, found[command], states)


def _row(compute: str, command: Command, charge: Charge, states: Mapping[int, Mapping[str, Any]]) -> dict[str, Any]:
    state = states[charge.longest] if charge.longest is not None else {}
    return {
        "compute": compute,
        "endMS": command.end,
        "hashKey": command.key,
        "cost_status": charge.cost_status(command.end - command.start),
        "concurrent_commands": charge.most - 1,
        **{name: state.get(name) for name in (*_OF_STATE, "node_count")},
        "job_run_ids": sorted(charge.run_ids),
        **{f"_{name}": charge.whole(name) for name in AMOUNTS},
        # Where a price is missing, what is 0, as of workers that are not there, makes no total of 0.
        **{f"_known_{n}": charge.known.get(n) if charge.known.get(n) or not charge.unknown else None for n in AMOUNTS},
    }
