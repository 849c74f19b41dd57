"""Audit logs, whichever way a workspace delivers them: each gives the same rows for the same events.

| deployment file | read |
|---|---|
| `auditlogprefix_source_path: system` | rows of `system.access.audit`, or of `audit_log_table` |
| `auditlogprefix_source_path`, `audit_log_format: json`, `parquet` or `capture` | the files in a folder for each day |
| `auditlogprefix_source_path`, `audit_log_format: delta` | rows of a Delta table |
| `eh_name` | messages of an Azure Event Hub |
"""

from overwatch_assets.sources.audit_logs.route import read_audit_logs

__all__ = ["read_audit_logs"]
