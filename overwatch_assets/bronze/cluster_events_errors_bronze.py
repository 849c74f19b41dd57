"""Side table of module 1005: clusters whose events could not be read to their end."""

from overwatch_assets.contract.table import META, ORGANIZATION, Column, Table, register

cluster_events_errors_bronze = register(
    Table(
        name="cluster_events_errors_bronze",
        layer="bronze",
        doc=(
            "One cluster whose events of a time were not all read by one load, and why. Each later load asks for that "
            "time again until it is read, unless the workspace said that there is no such cluster."
        ),
        columns=(
            ORGANIZATION,
            Column("cluster_id", "string", "Cluster that was asked for.", nullable=False),
            Column("from_epoch", "bigint", "From when events were asked for, epoch ms.", nullable=False),
            Column("until_epoch", "bigint", "Until when, epoch ms, exclusive.", nullable=False),
            Column("error", "string", "Error code and message."),
            Column("from_ts", "timestamp", "`from_epoch` as a time, UTC."),
            Column("until_ts", "timestamp", "`until_epoch` as a time, UTC."),
            Column("snapshot_date", "date", "UTC day of the load.", nullable=False),
            Column("http_code", "int", "HTTP status of the answer; null: no answer came."),
            Column("error_code", "string", "Databricks' error code, such as PERMISSION_DENIED."),
            Column("message", "string", "Databricks' message, or what kept the events from coming."),
            Column("rawResponse", "string", "Body of the answer, secret properties cut out."),
            Column(
                "recovered_ts",
                "timestamp",
                "The `now` of the load that read all of that time; null: it is asked for again.",
                bookkeeping=True,
            ),
            *META,
        ),
        keys=("cluster_id", "from_epoch", "until_epoch", "snapshot_date"),
        partition="snapshot_date",
    )
)
