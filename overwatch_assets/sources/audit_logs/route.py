"""Which way a workspace's audit logs come."""

from pyspark.sql import functions as F

from overwatch_assets.config.fields import SYSTEM_TABLE
from overwatch_assets.errors import SourceError
from overwatch_assets.runner.context import Load
from overwatch_assets.runner.insert import Reading
from overwatch_assets.runner.report import SUCCESS
from overwatch_assets.runner.state import PIPELINE_REPORT
from overwatch_assets.sources.audit_logs.folders import read_folders
from overwatch_assets.sources.audit_logs.tables import read_delta, read_system


def read_audit_logs(load: Load) -> Reading:
    """Read what is delivered of the window's days; of an Event Hub all that has not been read yet.

    The frames have a row for each delivered record: file, line, pos, day (of the delivery), value (JSON text). What is
    no audit record is rejected.

    Raises:
        SourceError: the source does not exist, cannot be read, or is of another kind than the deployment file says.
    """
    workspace = load.workspace
    if "audit" not in workspace.scopes:
        return Reading(empty="the scope audit is excluded")
    path = workspace.auditlogprefix_source_path
    if path is None and workspace.eh_name is None:
        return Reading(empty="source not configured: neither auditlogprefix_source_path nor eh_name is set")
    if path == SYSTEM_TABLE:
        return read_system(load, workspace.audit_log_table)
    _refuse_to_return(load)
    if path is None:
        # The client of a hub, which most deployments do not need.
        from overwatch_assets.sources.audit_logs.messages import read_event_hub  # noqa: PLC0415

        return read_event_hub(load)
    return read_delta(load, path) if workspace.audit_log_format == "delta" else read_folders(load, path)


def _refuse_to_return(load: Load) -> None:
    """Refuse other sources once the system table was read: they would leave out what only that one has."""
    if not load.store.exists(PIPELINE_REPORT):
        return
    rows = load.store.read(PIPELINE_REPORT).where(
        (F.col("moduleID") == load.table.module_id)
        & (F.col("status") == SUCCESS)
        & F.col("inputConfig").contains(f'"auditlogprefix_source_path": "{SYSTEM_TABLE}"')
    )
    if load.store.arrow(rows.select("fromTS").limit(1)).num_rows:
        raise SourceError(
            "The audit logs of this workspace were read from the system table: auditlogprefix_source_path must stay "
            f"{SYSTEM_TABLE}."
        )
