"""Side table of module 1006: how far each event-log file has been read."""

from overwatch_assets.contract.table import META, ORGANIZATION, Column, Table, register

spark_events_processedfiles = register(
    Table(
        name="spark_events_processedfiles",
        layer="bronze",
        doc=(
            "One event-log file and how far it has been read. Written after the rows that it acknowledges, never "
            "before. Delete a file's row to have the file read again; no row is doubled by it."
        ),
        columns=(
            ORGANIZATION,
            Column("filename", "string", "Path of the file, without `.inprogress`.", nullable=False),
            Column("fileCreateEpochMS", "bigint", "Modification time when it was read, epoch ms.", bookkeeping=True),
            Column("fileSize", "bigint", "Size when it was read, bytes.", bookkeeping=True),
            Column(
                "withinSpecifiedTimeRange", "boolean", "Whether it could hold events of the window.", bookkeeping=True
            ),
            Column("failed", "boolean", "The file could not be read to its end.", bookkeeping=True),
            Column("failMsg", "string", "Why it failed.", bookkeeping=True),
            Column("fileCreateTS", "timestamp", "Modification time.", bookkeeping=True),
            Column("fileCreateDate", "date", "Day of the modification time.", bookkeeping=True),
            Column("position", "bigint", "Byte offset in the decompressed log where to continue.", bookkeeping=True),
            Column("nextLine", "bigint", "Number of the line there, from 1.", bookkeeping=True),
            Column("logId", "string", "Identity of the log at that point.", bookkeeping=True),
            Column("lastTimeMS", "bigint", "Time of the last timed record before it, epoch ms.", bookkeeping=True),
            Column(
                "headHash",
                "string",
                "Hash of the first `headBytes` bytes: tells a file that was replaced.",
                bookkeeping=True,
            ),
            Column("headBytes", "bigint", "Length of what was hashed, bytes.", bookkeeping=True),
            Column("firstTimeMS", "bigint", "Time of the file's first timed record, epoch ms.", bookkeeping=True),
            Column(
                "clusterId", "string", "Cluster that its rows were given; null: the log's identity.", bookkeeping=True
            ),
            *META,
        ),
        keys=("filename",),
    )
)
