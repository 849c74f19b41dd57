"""Side table of module 1004: messages of an Azure Event Hub, kept until their records are rows."""

from overwatch_assets.contract.table import META, ORGANIZATION, Column, Table, register

audit_log_raw_events = register(
    Table(
        name="audit_log_raw_events",
        layer="bronze",
        doc=(
            "One message of an Event Hub whose records are not yet in `audit_log_bronze`; and of each partition the "
            "last message that was read, without its body, which says where to read on."
        ),
        columns=(
            ORGANIZATION,
            Column("eventHub", "string", "Host of the namespace, and the hub: `<host>/<hub>`.", nullable=False),
            Column("partition", "int", "Partition of the hub.", nullable=False),
            Column("sequenceNumber", "bigint", "Number of the message in its partition.", nullable=False),
            Column("enqueuedTime", "timestamp", "When the hub took it, UTC; null: it does not say."),
            Column("body", "binary", "The message, texts of secret properties emptied; null: its records are rows."),
            *META,
        ),
        keys=("eventHub", "partition", "sequenceNumber"),
    )
)
