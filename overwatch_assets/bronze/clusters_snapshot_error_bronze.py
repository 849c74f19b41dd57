"""Side table of module 1002: clusters that the workspace's API did not describe."""

from overwatch_assets.contract.table import META, ORGANIZATION, Column, Table, register

clusters_snapshot_error_bronze = register(
    Table(
        name="clusters_snapshot_error_bronze",
        layer="bronze",
        doc=(
            "One cluster that could not be described on one day, and why. It is asked for again by the next snapshot, "
            "unless the workspace said that there is no such cluster."
        ),
        columns=(
            ORGANIZATION,
            Column("cluster_id", "string", "Cluster that was asked for.", nullable=False),
            Column("snapshot_date", "date", "UTC day of the load.", nullable=False),
            Column("http_code", "int", "HTTP status of the answer; null: no answer came."),
            Column("error_code", "string", "Databricks' error code, such as PERMISSION_DENIED."),
            Column("message", "string", "Databricks' message, or what kept an answer from coming."),
            Column("rawResponse", "string", "Body of the answer, secret properties cut out."),
            *META,
        ),
        keys=("cluster_id", "snapshot_date"),
        partition="snapshot_date",
    )
)
