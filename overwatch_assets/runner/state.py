"""The tables in which the runner keeps its own state: what was loaded, what changed, what was refused."""

from overwatch_assets.contract.table import META, ORGANIZATION, Column, Table, register
from overwatch_assets.contract.view import View

_PIP_REPORT = {
    "module_id": (Column("module_id", "int", "Id of the module."), "moduleID"),
    "module_name": (Column("module_name", "string", "Name of the module."), "moduleName"),
    "primordialDate": (
        Column("primordialDate", "date", "The workspace's primordial date when the load ran."),
        "to_date(primordialDateString)",
    ),
    "fromTS": (Column("fromTS", "timestamp", "Start of the window, UTC, inclusive."), "timestamp_millis(fromTS)"),
    "untilTS": (Column("untilTS", "timestamp", "End of the window, UTC, exclusive."), "timestamp_millis(untilTS)"),
    "write_metrics": (
        Column(
            "write_metrics", "map<string,string>", "Rows inserted, updated, deleted, quarantined; entities touched."
        ),
        "writeOpsMetrics",
    ),
}

PIPELINE_REPORT = register(
    Table(
        name="pipeline_report",
        layer="state",
        doc="One load of one module for one window: when, with what result, and what it read and wrote.",
        columns=(
            ORGANIZATION,
            Column("moduleID", "int", "Id of the module.", nullable=False),
            Column("moduleName", "string", "Name of the module."),
            Column("primordialDateString", "string", "The workspace's primordial date when the load ran."),
            Column("runStartTS", "bigint", "Start of the load, epoch ms; 0 when it failed."),
            Column("runEndTS", "bigint", "End of the load, epoch ms; 0 when it failed, the start when it was EMPTY."),
            Column("fromTS", "bigint", "Start of the window, epoch ms, inclusive.", nullable=False),
            Column("untilTS", "bigint", "End of the window, epoch ms, exclusive.", nullable=False),
            Column(
                "status", "string", "SUCCESS, EMPTY: reason, FAILED --> error, or INELIGIBLE: reason.", nullable=False
            ),
            Column(
                "writeOpsMetrics",
                "map<string,string>",
                "Rows inserted, updated, deleted, quarantined; entities touched.",
            ),
            Column("lastOptimizedTS", "bigint", "Last OPTIMIZE of the table, epoch ms; 0: never."),
            Column("vacuumRetentionHours", "int", "Hours that vacuum keeps old files."),
            Column("inputConfig", "string", "The workspace's settings, as JSON; secrets are references."),
            Column("parsedConfig", "map<string,string>", "Package version, engine, target location."),
            Column("externalizeOptimize", "boolean", "Maintenance runs apart from loads; always true."),
            Column("versionBefore", "bigint", "Delta version of the table before the load; null: it did not exist."),
            Column(
                "versionAfter", "bigint", "Delta version after the load: where a rollback of the next one returns to."
            ),
            Column("reportedTS", "bigint", "When this row was written, epoch ms: the order of loads."),
            Column("inputsRead", "map<string,bigint>", "Per input the highest change record that this load read."),
            Column(
                "inputsUntil", "map<string,bigint>", "Per input how far it was loaded, epoch ms, where that counts."
            ),
            *META,
        ),
        keys=("moduleID", "Overwatch_RunID", "fromTS"),
        view=View(
            "pipReport",
            (
                "organization_id",
                "workspace_name",
                "module_id",
                "module_name",
                "primordialDate",
                "fromTS",
                "untilTS",
                "status",
                "write_metrics",
                "Pipeline_SnapTS",
                "Overwatch_RunID",
            ),
            of_etl=True,
            computed=_PIP_REPORT,
            newest=("Pipeline_SnapTS", "untilTS", "module_id"),
        ),
    )
)

TABLE_CHANGES = register(
    Table(
        name="table_changes",
        layer="state",
        doc="One changed entity of one load: how the tables downstream find what to rebuild (docs/architecture.md).",
        columns=(
            ORGANIZATION,
            Column("table_name", "string", "The table that changed.", nullable=False),
            Column(
                "number", "bigint", "Grows with each load of the table; says what a reader has seen.", nullable=False
            ),
            Column(
                "fromTS",
                "bigint",
                "Start of the load's window, or of the day that gained rows; epoch ms.",
                nullable=False,
            ),
            Column("untilTS", "bigint", "Its end, epoch ms, exclusive.", nullable=False),
            Column(
                "keys", "map<string,array<string>>", "Entity and link columns, before or after the change, as text."
            ),
            Column("starts", "bigint", "Start of the time that changed, epoch ms; null: not bounded."),
            Column("ends", "bigint", "Its end, epoch ms, exclusive; null: not bounded."),
            *META,
        ),
        keys=("table_name", "number", "fromTS", "keys"),
        partition="table_name",
    )
)

QUARANTINE = register(
    Table(
        name="quarantine_bronze",
        layer="state",
        doc="One piece of input that could not become a row: where it is, why, and its content.",
        columns=(
            ORGANIZATION,
            Column("source", "string", "The table that it was meant for.", nullable=False),
            Column("location", "string", "File or address that it came from.", nullable=False),
            Column("line", "bigint", "Line in the file, from 1; null: the whole file."),
            Column(
                "position",
                "bigint",
                "Byte offset in the decompressed file; of an API's list the page, from 1.",
                bookkeeping=True,
            ),
            Column("reason", "string", "Why it was refused.", nullable=False),
            Column("content", "string", "Its text, secret properties cut out; null where it is not text."),
            Column("content_bytes", "binary", "Its first 64 KiB where it is not text."),
            Column("hash", "bigint", "Hash of its bytes: the same input is quarantined once.", nullable=False),
            Column("date", "date", "The day that was being loaded.", bookkeeping=True),
            *META,
        ),
        keys=("source", "location", "line", "hash"),
        partition="date",
    )
)
