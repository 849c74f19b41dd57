import datetime as dt

import pytest
from pydantic import SecretStr, ValidationError

from overwatch_assets.config.deployment import Deployment, EngineSettings, Workspace
from overwatch_assets.config.fields import SCOPES
from overwatch_assets.errors import ConfigurationError

FIELDS = {
    "workspace_name": "prod",
    "workspace_id": "123",
    "cloud": "azure",
    "workspace_url": "https://adb-123.azuredatabricks.net",
    "primordial_date": dt.date(2024, 4, 1),
    "storage_prefix": "s3://Bucket/Prefix/",
    "etl_database_name": "overwatch_etl",
    "consumer_database_name": "overwatch",
}


def workspace(**fields: object) -> Workspace:
    return Workspace.model_validate(FIELDS | fields)


def secret(reference) -> SecretStr:
    return SecretStr(f"value of {reference}")


def test_table_root_keeps_case():
    assert workspace().table_root(external_metastore=False) == "s3://Bucket/Prefix/123/overwatch_etl.db"
    assert workspace().table_root(external_metastore=True) == "s3://Bucket/Prefix/overwatch_etl.db"


@pytest.mark.parametrize("prefix", ["dbfs:/ow", "dbfs:///ow", "/dbfs/ow", "/dbfs/"])
def test_tables_are_not_kept_in_the_file_system_of_databricks(prefix):
    with pytest.raises(ValidationError) as raised:
        workspace(storage_prefix=prefix)
    assert [error["loc"] for error in raised.value.errors()] == [("storage_prefix",)]
    assert workspace(storage_prefix="/dbfs2").storage_prefix == "/dbfs2"


def test_table_root_of_a_deployment():
    rows = (workspace(), workspace(workspace_id="4", storage_prefix="/srv"))
    assert Deployment(workspaces=rows).table_root("4") == "/srv/4/overwatch_etl.db"
    assert Deployment(workspaces=rows, external_metastore=True).table_root("4") == "/srv/overwatch_etl.db"


def test_lookup():
    deployment = Deployment(workspaces=(workspace(), workspace(workspace_id="4", active=False)))
    assert deployment.workspace("123") is deployment.active_workspaces[0]
    assert (deployment.etl_database_name, deployment.consumer_database_name) == ("overwatch_etl", "overwatch")
    with pytest.raises(ConfigurationError, match=r"^Workspace 5 is not in the deployment file, which has 123\.$"):
        deployment.workspace("5")
    with pytest.raises(ConfigurationError, match=r"^Workspace 4 is not active: set active to true"):
        deployment.workspace("4")


def test_earliest_primordial_date_is_of_active_workspaces():
    rows = (
        workspace(),
        workspace(workspace_id="4", primordial_date="2024-03-01"),
        workspace(workspace_id="5", primordial_date="2020-01-01", active=False),
    )
    assert Deployment(workspaces=rows).earliest_primordial_date == dt.date(2024, 3, 1)


@pytest.mark.parametrize(
    ("given", "taken"),
    [
        (None, None),
        ("SYSTEM", "system"),
        ("system.query.history", "system.query.history"),
        ("copies.query_history", "copies.query_history"),
        ("/srv/history/", "/srv/history"),
        ("s3://bucket/history", "s3://bucket/history"),
    ],
)
def test_sql_queries_come_from_a_table_by_name_or_place(given, taken):
    assert workspace(sql_query_history_path=given).sql_query_history_path == taken


@pytest.mark.parametrize("given", ["history", "a.b.c.d", "some/where", "a.b; drop table c"])
def test_a_table_that_can_be_none_is_refused(given):
    with pytest.raises(ValidationError):
        workspace(sql_query_history_path=given)


def test_scopes():
    assert workspace().scopes == set(SCOPES)
    assert len(SCOPES) == 11
    excluded = workspace(excluded_scopes=" dbsql : SPARKEVENTS:clusterevents:jobs:clusters")
    assert excluded.scopes == {"audit", "pools", "accounts", "notebooks", "notebookCommands", "warehouseEvents"}


def test_a_folder_of_event_logs_needs_no_workspace_url():
    others = ":".join(scope for scope in SCOPES if scope != "sparkEvents")
    logs = workspace(workspace_url=None, excluded_scopes=others, cluster_log_prefixes="/srv/logs", cloud="AWS")
    assert (logs.workspace_url, logs.api_url, logs.scopes) == (None, None, {"sparkEvents"})
    with pytest.raises(ValidationError, match="must not hold clusters without sparkEvents"):
        workspace(excluded_scopes=others)


def test_settings_are_values():
    one = workspace(token="env:PAT")
    assert one == workspace(token="env:PAT")
    assert hash(one) == hash(workspace(token="env:PAT"))
    assert one.model_dump(mode="json")["token"] == "env:PAT"
    assert Workspace.model_validate_json(one.model_dump_json()) == one
    with pytest.raises(ValidationError, match="frozen"):
        one.max_days = 3


def test_token_references():
    assert workspace().token_reference is None
    assert str(workspace(token="env:PAT", secret_scope="ow").token_reference) == "env:PAT"
    assert str(workspace(secret_scope="ow", secret_key_dbpat="pat").token_reference) == "{{secrets/ow/pat}}"
    assert workspace().proxy_password_reference is None


def test_unused_fields_are_in_order_and_only_the_given():
    row = workspace(auditlogprefix_source_path="SYSTEM", temp_dir_path="/srv/x", eh_name="eh", sql_endpoint=None)
    assert row.unused_fields == ("eh_name", "temp_dir_path")
    assert Deployment(workspaces=(row,)).unused_fields["eh_name"] == ("123",)


@pytest.mark.parametrize("given", ["json", "delta", "parquet", "capture"])
def test_formats_of_audit_logs(given):
    assert workspace(audit_log_format=given).audit_log_format == given


def test_the_table_of_audit_logs():
    assert workspace().audit_log_table == "system.access.audit"
    assert workspace(audit_log_table="abfss://x@y/z/").audit_log_table == "abfss://x@y/z"
    for wrong in ("a.b.c.d", "drop table x", "s3://user:password@x/y", "relative/path"):
        with pytest.raises(ValidationError, match="audit_log_table"):
            workspace(audit_log_table=wrong)


PRINCIPAL = {
    "eh_conn_string": "Endpoint=sb://ns.servicebus.windows.net/",
    "aad_tenant_id": "t",
    "aad_client_id": "c",
    "aad_client_secret": "env:S",
}


def test_credentials_of_an_event_hub():
    scoped = workspace(eh_name="hub", eh_scope_key="key", secret_scope="ow", secret_key_dbpat="pat")
    assert str(scoped.eh_connection_reference) == "{{secrets/ow/key}}"
    assert str(workspace(eh_name="hub", eh_connection="env:EH").eh_connection_reference) == "env:EH"
    principal = workspace(eh_name="hub", **PRINCIPAL)
    assert (principal.eh_connection_reference, str(principal.aad_client_secret_reference)) == (None, "env:S")
    assert principal.aad_authority_endpoint == "https://login.microsoftonline.com"
    assert principal.unused_fields == ()


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"eh_connection": "env:EH"}, "is required with eh_connection: the name of an Event Hub"),
        ({"aad_tenant_id": "t"}, "is required with aad_tenant_id: the name of an Event Hub"),
        ({"eh_name": "hub"}, "needs eh_scope_key \\(or eh_connection\\), or else eh_conn_string, aad_tenant_id, "),
        ({"eh_name": "hub", "eh_scope_key": "key"}, "needs secret_scope, the scope that holds eh_scope_key"),
        (
            {"eh_name": "hub", "eh_conn_string": "Endpoint=sb://x/", "aad_tenant_id": "t"},
            "needs aad_client_id, aad_client_secret_key or aad_client_secret with eh_conn_string, aad_tenant_id",
        ),
        (
            PRINCIPAL | {"eh_name": "hub", "eh_connection": "env:EH"},
            "but not both: it has eh_connection, eh_conn_string, ",
        ),
        (
            {"eh_name": "hub", "eh_connection": "env:EH", "eh_scope_key": "k", "secret_scope": "s", "token": "env:T"},
            "must have one of eh_scope_key and eh_connection, not both",
        ),
        ({"eh_name": "hub", "eh_conn_string": "ns.servicebus.windows.net"}, "eh_conn_string"),
        ({"eh_conn_string": "Endpoint=sb://x/;SharedAccessKey=hunter2"}, "looks like a secret itself"),
    ],
)
def test_an_event_hub_that_does_not_go_together(given, sentence):
    with pytest.raises(ValidationError, match=sentence) as error:
        workspace(**given)
    assert "hunter2" not in str(error.value)


@pytest.mark.parametrize(
    ("remote", "expected"),
    [
        ("sc://host:443", "sc://host:443/;token=value%20of%20env%3AT"),
        ("sc://host:443/", "sc://host:443/;token=value%20of%20env%3AT"),
        (
            "sc://host:443/;x-databricks-cluster-id=1",
            "sc://host:443/;x-databricks-cluster-id=1;token=value%20of%20env%3AT",
        ),
    ],
)
def test_remote_url_with_token(remote, expected):
    url = EngineSettings(kind="databricks", remote=remote, token="env:T").remote_url(secret)
    assert url.get_secret_value() == expected
    assert "value" not in repr(url)


def test_remote_url_without_token():
    assert EngineSettings().remote_url(secret) is None
    assert EngineSettings(kind="spark", remote="sc://h").remote_url(secret).get_secret_value() == "sc://h"


def test_spark_config_reads_secrets():
    config = {
        "spark.sql.shuffle.partitions": "8",
        "spark.eventLog.dir": "file:/srv/logs",
        "spark.hadoop.fs.azure.account.key.x.dfs.core.windows.net": "env:KEY",
        "spark.hadoop.fs.azure.account.oauth2.client.id": "{{secrets/ow/id}}",
    }
    assert EngineSettings(config=config).spark_config(secret) == {
        "spark.sql.shuffle.partitions": "8",
        "spark.eventLog.dir": "file:/srv/logs",
        "spark.hadoop.fs.azure.account.key.x.dfs.core.windows.net": "value of env:KEY",
        "spark.hadoop.fs.azure.account.oauth2.client.id": "value of {{secrets/ow/id}}",
    }


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"remote": "sc://h"}, "is for the engines spark and databricks"),
        ({"kind": "databricks"}, "is required by the engine databricks"),
        ({"kind": "spark", "token": "env:T"}, "is for an engine with remote"),
        ({"kind": "spark", "remote": "sc://h/;token=x"}, "must not hold a token"),
        ({"config": {"spark.ssl.keyPassword": "x"}}, "must be a reference to a secret"),
    ],
)
def test_engine_settings_that_do_not_go_together(fields, sentence):
    with pytest.raises(ValidationError, match=sentence):
        EngineSettings.model_validate(fields)


@pytest.mark.parametrize(
    "source", ["/mnt/events", "s3://bucket/events", "system.compute.warehouse_events", "compute.warehouse_events"]
)
def test_a_table_is_a_location_or_a_name(source: str) -> None:
    assert workspace(warehouse_events_source=source).warehouse_events_table == source


@pytest.mark.parametrize("source", ["events", "a.b.c.d", "a..b", "select 1", "relative/path"])
def test_what_is_no_table(source: str) -> None:
    with pytest.raises(ValidationError, match="warehouse_events_source"):
        workspace(warehouse_events_source=source)
