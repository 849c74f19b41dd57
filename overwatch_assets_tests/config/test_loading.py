import datetime as dt
import subprocess
import sys
from textwrap import dedent
from typing import get_type_hints

import fsspec
import pytest

from overwatch_assets.config.deployment import Deployment, Workspace
from overwatch_assets.config.fields import Cloud, ConnectionString, Reference, ScopeName
from overwatch_assets.config.loading import deployment_path_from_env, load_deployment
from overwatch_assets.errors import ConfigurationError

TODAY = dt.date(2024, 6, 1)

# The header of Overwatch's 0.8 template, in its order.
HEADER = (
    "workspace_name,workspace_id,workspace_url,api_url,cloud,primordial_date,storage_prefix,etl_database_name,"
    "consumer_database_name,secret_scope,secret_key_dbpat,auditlogprefix_source_path,eh_name,eh_scope_key,"
    "interactive_dbu_price,automated_dbu_price,sql_compute_dbu_price,jobs_light_dbu_price,max_days,excluded_scopes,"
    "active,proxy_host,proxy_port,proxy_user_name,proxy_password_scope,proxy_password_key,success_batch_size,"
    "error_batch_size,enable_unsafe_SSL,thread_pool_size,api_waiting_time,mount_mapping_path,sql_endpoint"
)
AWS = (
    "prod-aws,1234567890123456,https://dbc-1.cloud.databricks.com,https://dbc-1.cloud.databricks.com/,AWS,2024-04-01,"
    "s3://corp-OW/prod/,overwatch_etl,overwatch,ow,pat_prod,s3://corp-audit/prod,,,0.55,0.15,0.22,0.10,30,,true"
)
AZURE = (
    "prod-az,99,https://adb-99.1.azuredatabricks.net,https://adb-99.1.azuredatabricks.net,azure,2024-03-01,"
    "abfss://ow@corp.dfs.core.windows.net/ow,overwatch_etl,overwatch,ow,pat_az,null,eh-prod,eh_conn,"
    "0.55,0.15,0.22,0.10,30,Pools:notebooks,TRUE,proxy.corp,8080,svc,ow,proxy_pw,100,50,false,8,120000,,"
)
SYSTEM = (
    "other,77,https://dbc-7.cloud.databricks.com,https://dbc-7.cloud.databricks.com,GCP,2024-04-01,gs://corp-ow/other,"
    "overwatch_etl,overwatch,ow,pat_other,system,NULL,,0.55,0.15,0.22,0.10,30,,false,,,,,,,,,,,,/sql/1.0/warehouses/abc123"
)

YAML = """\
engine:
  kind: spark
  remote: sc://spark.corp:15002
  token: env:SPARK_TOKEN
  config:
    spark.sql.shuffle.partitions: 8
    spark.hadoop.fs.s3a.secret.key: "{{secrets/ow/s3}}"
external_metastore: yes
workspaces:
  - &first
    workspace_name: demo
    workspace_id: 0123
    cloud: aws
    workspace_url: https://dbc-1.cloud.databricks.com
    primordial_date: 2024-04-01
    storage_prefix: /srv/Overwatch/
    etl_database_name: overwatch_etl
    consumer_database_name: overwatch
    auditlogprefix_source_path: /srv/audit
    audit_log_format: json
    token: "{{secrets/ow/pat}}"
    max_days: 7
    cluster_log_prefixes: [s3://logs/a/, "dbfs:/cluster-logs"]
    excluded_scopes: [dbsql, warehouseevents]
  - <<: *first
    workspace_name: second
    workspace_id: "456"
    workspace_url: http://127.0.0.1:8080
    api_url: http://localhost:9090/
    token: file:/run/secrets/pat
    primordial_date: 2024-03-15
    cluster_log_prefixes: s3://logs/b; s3://logs/c
    excluded_scopes: dbsql:warehouseEvents
    max_days: null
"""


def load(tmp_path, text: str, name: str = "deployment.yaml") -> Deployment:
    path = tmp_path / name
    path.write_text(dedent(text), encoding="utf-8")
    return load_deployment(path, today=TODAY)


def errors(tmp_path, text: str, name: str = "deployment.yaml") -> list[str]:
    with pytest.raises(ConfigurationError) as error:
        load(tmp_path, text, name)
    return str(error.value).replace(f"{tmp_path}/", "").split("\n")


def row(**fields: str) -> str:
    """A CSV of Overwatch's header and its AWS row, with other values in some cells."""
    cells = dict.fromkeys(HEADER.split(","), "") | dict(zip(HEADER.split(","), AWS.split(","), strict=False)) | fields
    return ",".join(cells) + "\n" + ",".join(cells.values()) + "\n"


def test_overwatchs_own_csv(tmp_path):
    deployment = load(tmp_path, f"{HEADER}\n{AWS}\n{AZURE}\n{SYSTEM}\n", "overwatch.csv")
    aws, azure, system = deployment.workspaces
    assert (aws.workspace_name, aws.workspace_id, aws.cloud) == ("prod-aws", "1234567890123456", Cloud.AWS)
    assert aws.api_url == "https://dbc-1.cloud.databricks.com"
    assert (aws.primordial_date, aws.max_days, aws.active) == (dt.date(2024, 4, 1), 30, True)
    assert aws.storage_prefix == "s3://corp-OW/prod"
    assert str(aws.token_reference) == "{{secrets/ow/pat_prod}}"
    assert aws.auditlogprefix_source_path == "s3://corp-audit/prod"
    assert (aws.success_batch_size, aws.error_batch_size, aws.thread_pool_size, aws.api_waiting_time) == (
        200,
        500,
        4,
        300_000,
    )
    assert azure.scopes == {
        "audit", "clusters", "clusterEvents", "jobs", "accounts", "dbsql", "sparkEvents", "notebookCommands", "warehouseEvents",
    }  # fmt: skip
    assert (azure.cloud, azure.auditlogprefix_source_path, azure.proxy_host, azure.proxy_port) == (
        Cloud.AZURE,
        None,
        "proxy.corp",
        8080,
    )
    assert str(azure.proxy_password_reference) == "{{secrets/ow/proxy_pw}}"
    assert (azure.success_batch_size, azure.error_batch_size, azure.thread_pool_size, azure.api_waiting_time) == (
        100,
        50,
        8,
        120_000,
    )
    assert (azure.eh_name, str(azure.eh_connection_reference)) == ("eh-prod", "{{secrets/ow/eh_conn}}")
    assert system.auditlogprefix_source_path == "system"
    assert deployment.engine.kind == "sail"
    assert deployment.active_workspaces == (aws, azure)
    assert deployment.unused_fields == {}
    assert system.unused_fields == ("sql_endpoint",)


def test_csv_as_spreadsheets_write_it(tmp_path):
    text = row().replace("enable_unsafe_SSL", "Enable_Unsafe_ssl").replace("prod-aws", ' "prod, ""aws"""')
    path = tmp_path / "overwatch.CSV"
    path.write_bytes(b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode() + b",,,\r\n\r\n")
    (workspace,) = load_deployment(str(path), today=TODAY).workspaces
    assert workspace.workspace_name == 'prod, "aws"'
    assert workspace.enable_unsafe_SSL is False


def test_csv_with_our_own_columns(tmp_path):
    text = row(
        secret_scope="", secret_key_dbpat="", token="env:PAT", cluster_log_prefixes="s3://a/x/; dbfs:/y", active="true"
    )
    # the AWS row ends at `active`, so the further columns of the template are left out
    (workspace,) = load(tmp_path, text, "overwatch.csv").workspaces
    assert str(workspace.token_reference) == "env:PAT"
    assert workspace.cluster_log_prefixes == ("s3://a/x", "dbfs:/y")


def test_yaml(tmp_path):
    deployment = load(tmp_path, YAML)
    first, second = deployment.workspaces
    assert first.workspace_id == "0123"  # not the octal number
    assert first.cluster_log_prefixes == ("s3://logs/a", "dbfs:/cluster-logs")
    assert second.cluster_log_prefixes == ("s3://logs/b", "s3://logs/c")
    assert first.excluded_scopes == second.excluded_scopes == {"dbsql", "warehouseEvents"}
    assert first.api_url == "https://dbc-1.cloud.databricks.com"
    assert second.api_url == "http://localhost:9090"
    assert (first.max_days, second.max_days) == (7, 30)
    assert str(second.token_reference) == "file:/run/secrets/pat"
    assert deployment.external_metastore is True
    assert deployment.engine.remote == "sc://spark.corp:15002"
    assert deployment.engine.config["spark.sql.shuffle.partitions"] == "8"
    assert deployment.earliest_primordial_date == dt.date(2024, 3, 15)
    assert deployment.unused_fields == {}


def test_every_wrong_field_of_yaml_with_its_line(tmp_path):
    text = """\
        engine:
          kind: duckdb
          confg: {}
        external_metastore: maybe
        storage_prefix: /srv
        workspaces:
          - workspace_name: demo
            workspace_id: 12/3
            cloud: IBM
            workspace_url: https://dbc-1.cloud.databricks.com/?o=1
            primordial_date: 2024-13-45
            etl_database_name: over watch
            etl_storage_prefix: s3://x
            auditlogprefix_source_aws: s3://x
            max_day: 3
            max_days:
              thirty
            thread_pool_size: 21
            api_waiting_time: 1e5
            api_requests_per_second: 0
            cluster_log_prefixes:
              - s3://fine
              - relative/path
            excluded_scopes: dbsql:sparkEvnts
            proxy_host: proxy
            active: perhaps
          - just text
          - workspace_name: later
            workspace_id: account
            cloud: gcp
            workspace_url: https://dbc-2.cloud.databricks.com
            primordial_date: 2024-06-02
            storage_prefix: wasbs://x@y/z
            etl_database_name: overwatch_etl
            consumer_database_name: overwatch
            secret_scope: ow
    """
    location = "an absolute path or a URL such as s3://bucket/path, without a password in it"
    storage = (
        f"{location} (wasb is not supported, nor are dbfs:/ and /dbfs, where Delta's commits are not safe: give the "
        "cloud storage itself)"
    )
    database = "a database name of letters, digits, _ and -, or catalog.schema"
    url = "a URL of a host alone, such as https://dbc-1234.cloud.databricks.com"
    scopes = "audit, clusters, clusterEvents, pools, jobs, accounts, notebooks, dbsql, sparkEvents, notebookCommands, warehouseEvents"
    expected = f"""\
        2: engine.kind: must be sail, spark or databricks, not 'duckdb'
        3: engine.confg: is not a known field; did you mean config?
        4: external_metastore: must be true or false, not 'maybe'
        5: storage_prefix: belongs to a workspace: move it below workspaces
        7: workspaces[0].consumer_database_name: is required: {database}
        7: workspaces[0].proxy_port: is required with proxy_host
        7: workspaces[0].storage_prefix: is required: {storage}
        8: workspaces[0].workspace_id: must be letters, digits, _, - and . (what follows o= in the workspace's URL), not '12/3'
        9: workspaces[0].cloud: must be AWS, Azure or GCP, not 'IBM'
        10: workspaces[0].workspace_url: must be {url}, not 'https://dbc-1.cloud.databricks.com/?o=1'
        11: workspaces[0].primordial_date: must be the first day to load, as yyyy-MM-dd, such as 2024-04-01, not '2024-13-45'
        12: workspaces[0].etl_database_name: must be {database}, not 'over watch'
        13: workspaces[0].etl_storage_prefix: was renamed in Overwatch: call it storage_prefix
        14: workspaces[0].auditlogprefix_source_aws: was renamed in Overwatch: call it auditlogprefix_source_path
        15: workspaces[0].max_day: is not a known field; did you mean max_days?
        16: workspaces[0].max_days: must be a whole number greater than 0, not 'thirty'
        18: workspaces[0].thread_pool_size: must be a whole number from 1 to 20, not '21'
        19: workspaces[0].api_waiting_time: must be a whole number of milliseconds from 60000 to 900000, not '1e5'
        20: workspaces[0].api_requests_per_second: must be a number above 0 and up to 1000, not '0'
        23: workspaces[0].cluster_log_prefixes[1]: must be {location}; several are separated by ';' or are a YAML list, not 'relative/path'
        24: workspaces[0].excluded_scopes[1]: must be scopes separated by ':' ({scopes}), not 'sparkEvnts'
        26: workspaces[0].active: must be true or false, not 'perhaps'
        27: workspaces[1]: must be a mapping of fields, not 'just text'
        28: workspaces[2].auditlogprefix_source_path: is required on AWS and GCP unless the scope audit is excluded: the folder of the date=... folders
        28: workspaces[2].secret_key_dbpat: is required with secret_scope: the key of the token in it
        29: workspaces[2].workspace_id: 'account' is reserved for account-wide sources
        32: workspaces[2].primordial_date: must not be after today (2024-06-01, UTC), but is 2024-06-02
        33: workspaces[2].storage_prefix: must be {storage}, not 'wasbs://x@y/z'
    """
    assert errors(tmp_path, text) == [f"deployment.yaml:{line}" for line in dedent(expected).splitlines()]


def test_every_wrong_field_of_csv_with_its_line_and_column(tmp_path):
    text = row(workspace_name='"two\nlines"', max_days="0", automated_dbu_price="cheap", proxy_port="http")
    text = text.replace("secret_scope,", "secret_skope,").replace("cloud,", "Cloud,") + "b,2,x\n" + "," * 40 + "x\n"
    found = errors(tmp_path, text.replace(",sql_endpoint", ",etl_storage_prefix"), "overwatch.csv")
    assert found[:8] == [
        "overwatch.csv:1: etl_storage_prefix: was renamed in Overwatch: call it storage_prefix",
        "overwatch.csv:1: secret_skope: is not a known field; did you mean secret_scope?",
        "overwatch.csv:2: automated_dbu_price: must be a number of dollars per DBU, 0 or more, not 'cheap'",
        "overwatch.csv:2: max_days: must be a whole number greater than 0, not '0'",
        "overwatch.csv:2: proxy_port: must be a whole number from 1 to 65535, not 'http'",
        "overwatch.csv:2: secret_key_dbpat: needs secret_scope, the scope that holds this key",
        "overwatch.csv:4: cloud: is required: AWS, Azure or GCP",
        "overwatch.csv:4: consumer_database_name: is required: a database name of letters, digits, _ and -, or catalog.schema",
    ]
    assert found[-1] == "overwatch.csv:5: has 41 values for 33 columns"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: [1, 2", ["1: is not valid YAML: while parsing a flow sequence, expected ',' or ']', but got '<stream end>'."]),
        ("a: 1\n\tb: 2", ["2: is not valid YAML: while scanning for the next token, found character '\\t' that cannot start any token."]),
        ("a: 1\nb: \x01", ["2: is not valid YAML: special characters are not allowed."]),
        ("a: *nothing", ["1: is not valid YAML: found undefined alias 'nothing'."]),
        ("a: !!python/name:os.system x", ["1: is not valid YAML: could not determine a constructor for the tag 'tag:yaml.org,2002:python/name:os.system'."]),
        ("a: 1\n---\nb: 2", ["2: is not valid YAML: expected a single document in the stream, but found another document."]),
        ("just text", ["1: must be a mapping with the key workspaces."]),
        ("- a", ["1: must be a mapping with the key workspaces."]),
        ("\nengine: {kind: sail}", ["2: workspaces: is required: a list of workspaces"]),
        ("workspaces: {a: 1}", ["1: workspaces: must be a list of workspaces, not a mapping"]),
        ("workspaces: []", ["1: workspaces: has no active workspace"]),
        ("workspaces: []\nengine: sail", ["1: workspaces: has no active workspace", "2: engine: must be a mapping with kind, remote, token and config, not 'sail'"]),
        ("workspaces: []\nengine: {}\nworkspaces: []", ["3: workspaces is given twice, first at line 1"]),
        ("workspaces:\n- token: {{secrets/a/b}}", ["2: a text that begins with { or [ must be in quotes"]),
        ("workspaces: &all [*all]", ["1: workspaces[0]: must be a mapping of fields, not a list"]),
        ("workspaces: []\n~: 1", ["2: a key is empty"]),
    ],
)  # fmt: skip
def test_wrong_yaml(tmp_path, text, expected):
    assert errors(tmp_path, text) == [f"deployment.yaml:{line}" for line in expected]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("workspace_name\n", ["1: has no active workspace"]),
        (row(active="false"), ["1: has no active workspace"]),
        (row().replace("prod-aws", '"prod'), ["2: is not valid CSV: unexpected end of data."]),
        (row(cloud="IBM").replace("workspace_name,", "workspace_name,max_days,").replace("prod-aws,", "prod-aws,3,"), ["1: max_days: is given twice", "2: cloud: must be AWS, Azure or GCP, not 'IBM'"]),
        (row().replace("workspace_name,", "workspace_name,,").replace("prod-aws,", "prod-aws,x,"), ["1: column 2 has no name"]),
        (row().replace(",cloud,", ",clout,"), ["1: cloud: is required: AWS, Azure or GCP", "1: clout: is not a known field; did you mean cloud?"]),
        (row(sql_endpoint="/sql/x"), ["2: sql_endpoint: must be an HTTP path such as /sql/1.0/warehouses/abc123, not '/sql/x'"]),
        (row(proxy_user_name="u", proxy_password_scope="s"), ["2: proxy_user_name: needs proxy_password_scope and proxy_password_key"]),
        (row(automated_dbu_price="nan"), ["2: automated_dbu_price: must be a number of dollars per DBU, 0 or more, not 'nan'"]),
        (row(primordial_date="1711929600"), ["2: primordial_date: must be the first day to load, as yyyy-MM-dd, such as 2024-04-01, not '1711929600'"]),
        (row(excluded_scopes="clusters"), ["2: excluded_scopes: must not hold clusters without clusterEvents, sparkEvents, jobs, which need it"]),
        (row(workspace_url=""), ["2: workspace_url: is required by the scopes clusters, clusterEvents, pools, jobs, accounts, dbsql: a URL of a host alone, such as https://dbc-1234.cloud.databricks.com"]),
        (row(workspace_url="http://corp.example"), ["2: workspace_url: must be a URL of a host alone, such as https://dbc-1234.cloud.databricks.com, not 'http://corp.example'"]),
        (row(secret_key_dbpat=""), ["2: secret_key_dbpat: is required with secret_scope: the key of the token in it"]),
        (row(token="env:PAT"), ["2: secret_key_dbpat: must be absent if token is given"]),
        (row() + "," * 40 + "x\n", ["3: has 41 values for 33 columns"]),
        ("active\nfalse,x\n", ["2: has 2 values for 1 columns"]),
        (row(cloud="y" * 70), [f"2: cloud: must be AWS, Azure or GCP, not '{'y' * 60}...'"]),
    ],
)  # fmt: skip
def test_wrong_csv(tmp_path, text, expected):
    assert errors(tmp_path, text, "d.csv") == [f"d.csv:{line}" for line in expected]


@pytest.mark.parametrize(
    ("name", "text"), [("d.yaml", ""), ("d.yml", "# nothing\n"), ("d.csv", ""), ("d.csv", "\n,,\n")]
)
def test_empty_file(tmp_path, name, text):
    assert errors(tmp_path, text, name) == [f"{name}: the deployment file is empty."]


@pytest.mark.parametrize("workspace_id", ["a|b", "[a]", "a,b", "a/b", "a b", "..", ".", "a..b", "Account", "é"])
def test_ids_that_are_no_partition_keys(tmp_path, workspace_id):
    (error,) = errors(tmp_path, row(workspace_id=f'"{workspace_id}"'), "d.csv")
    assert error.startswith("d.csv:2: workspace_id: ")


def test_rows_that_disagree(tmp_path):
    head, first = row().splitlines()
    renamed = first.replace("prod-aws", "second").replace(",overwatch_etl,overwatch,", ",other_etl,other,")
    inactive = first.replace(",overwatch_etl,", ",old_etl,").replace(",true", ",false")
    elsewhere = first.replace("1234567890123456", "2").replace("corp-OW", "other-bucket")
    broken = first.replace("1234567890123456", "3").replace("AWS", "IBM")
    assert errors(tmp_path, "\n".join([head, broken, first, inactive, renamed, elsewhere]), "d.csv") == [
        "d.csv:2: cloud: must be AWS, Azure or GCP, not 'IBM'",
        "d.csv:5: consumer_database_name: must be the same for all active workspaces",
        "d.csv:5: etl_database_name: must be the same for all active workspaces",
        "d.csv:5: workspace_id: 1234567890123456 is also the id of workspace 'prod-aws'",
    ]
    deployment = load(tmp_path, "\n".join([head, first, inactive, elsewhere]), "d.csv")
    assert [workspace.workspace_id for workspace in deployment.active_workspaces] == ["1234567890123456", "2"]


TOKEN = "dapi0123456789abcdef0123456789abcdef"
FOR_SECRETS = (
    "token",
    "secret_scope",
    "secret_key_dbpat",
    "proxy_password_scope",
    "proxy_password_key",
    "eh_scope_key",
    "eh_connection",
    "eh_conn_string",
    "aad_client_secret_key",
    "aad_client_secret",
)


@pytest.mark.parametrize(
    ("old", "new", "field"),
    [
        ('token: "{{secrets/ow/pat}}"', f"token: {TOKEN}", "workspaces[0].token: must be a reference to a secret"),
        ('token: "{{secrets/ow/pat}}"', f"token: [{TOKEN}]", "workspaces[0].token: must be a reference to a secret"),
        ('token: "{{secrets/ow/pat}}"', f"secret_scope: ow\n    secret_key_dbpat: {TOKEN}", "secret_key_dbpat: looks"),
        ("cloud: aws", f"cloud: {TOKEN}", "workspaces[0].cloud: must be AWS, Azure or GCP (the value is not shown)"),
        ("storage_prefix: /srv/Overwatch/", f"storage_prefix: s3://key:{TOKEN}@x", "workspaces[0].storage_prefix: must be"),
        ("https://dbc-1.", f"https://x:{TOKEN}@dbc-1.", "workspaces[0].workspace_url: must be a URL"),
        ("max_days: 7", f"eh_conn_string: sb://x/;SharedAccessKey={TOKEN}", "workspaces[0].eh_conn_string: looks"),
        ("[dbsql, warehouseevents]", TOKEN, "workspaces[0].excluded_scopes[0]: must be scopes"),
        ("token: env:SPARK_TOKEN", f"token: {TOKEN}", "engine.token: must be a reference to a secret"),
        ("sc://spark.corp:15002", f"sc://h:443/;token={TOKEN}", "engine.remote: must not hold a token"),
        ("sc://spark.corp:15002", f"sc://{TOKEN}@h:443", "engine.remote: must be a Spark Connect URL"),
        ('"{{secrets/ow/s3}}"', TOKEN, "engine.config.spark.hadoop.fs.s3a.secret.key: must be a reference to a secret"),
        ("external_metastore: yes", f"external_metastore: {{token: {TOKEN}}}", "external_metastore: must be true or false"),
    ],
)  # fmt: skip
def test_secrets_in_the_file_are_refused_and_never_shown(tmp_path, old, new, field):
    assert old in YAML
    with pytest.raises(ConfigurationError) as error:
        load(tmp_path, YAML.replace(old, new))
    assert field in str(error.value)
    chain = [error.value, error.value.__cause__, error.value.__context__]
    assert not any("0123456789abcdef" in repr(link) for link in chain)


@pytest.mark.parametrize("field", FOR_SECRETS)
def test_a_secret_in_the_place_of_its_reference_or_key_is_not_shown(tmp_path, field):
    """It looks like nothing in particular, as a client's secret does."""
    found = errors(tmp_path, row(**{field: "x8Q~abc"}), "d.csv")
    (line,) = [line for line in found if line.startswith(f"d.csv:2: {field}: must be ")]
    assert line.endswith(" (the value is not shown)")
    assert "x8Q" not in "".join(found)


def test_the_fields_for_secrets_are_all_that_there_are():
    kinds = (Reference, ScopeName, ConnectionString)
    assert set(FOR_SECRETS) == {
        name
        for name, kind in get_type_hints(Workspace, include_extras=True).items()
        if kind in [k | None for k in kinds]
    }


def test_files_that_cannot_be_read(tmp_path):
    def message(path) -> str:
        with pytest.raises(ConfigurationError) as error:
            load_deployment(path, today=TODAY)
        return str(error.value).replace(f"{tmp_path}/", "")

    assert message(tmp_path / "none.yaml") == "none.yaml: the deployment file does not exist."
    assert message(tmp_path / "deployment.json") == "deployment.json: a deployment file ends with .yaml, .yml or .csv."
    assert (
        message("nowhere://d.yml")
        == "nowhere://d.yml: the deployment file cannot be read: Protocol not known: nowhere."
    )
    (tmp_path / "folder.yaml").mkdir()
    assert message(tmp_path / "folder.yaml") == "folder.yaml: the deployment file cannot be read: Is a directory."
    (tmp_path / "latin.csv").write_bytes(b"workspace_name\nprod\xe9\n")
    assert message(tmp_path / "latin.csv") == "latin.csv:2: the deployment file is not UTF-8 text."


def test_yaml_nested_too_deeply(tmp_path):
    assert errors(tmp_path, "[" * 20_000) == ["deployment.yaml: is not valid YAML: it is nested too deeply."]


def test_any_fsspec_path():
    with fsspec.open("memory://deployments/d.yaml", "w") as file:
        file.write(YAML)
    assert len(load_deployment("memory://deployments/d.yaml", today=TODAY).workspaces) == 2


def test_path_from_the_environment(monkeypatch):
    assert deployment_path_from_env({"OVERWATCH_DEPLOYMENT": " s3://b/d.yaml "}) == "s3://b/d.yaml"
    monkeypatch.setenv("OVERWATCH_DEPLOYMENT", "/srv/d.csv")
    assert deployment_path_from_env() == "/srv/d.csv"
    for environ in ({}, {"OVERWATCH_DEPLOYMENT": " "}):
        with pytest.raises(ConfigurationError) as error:
            deployment_path_from_env(environ)
        assert str(error.value) == (
            "OVERWATCH_DEPLOYMENT is not set: let it hold the path of the deployment file, YAML or CSV."
        )


def test_imports_nothing_slow():
    slow = "{'pyspark', 'dagster', 'databricks', 'fsspec', 'pandas'}"
    code = f"import sys, overwatch_assets.config.loading; print({slow} & sys.modules.keys())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
