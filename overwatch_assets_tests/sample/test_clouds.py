"""What is a cloud's own arrives in the tables: GCP whole, of the others what differs; all of all in `deep`."""

import json
from collections.abc import Callable, Iterable
from functools import cache

import pytest
from pyspark.sql import SparkSession

from overwatch_assets.config.fields import Cloud
from overwatch_assets.config.prices import price_book
from overwatch_assets.contract.registry import modules
from overwatch_assets.rules.prices import Kind
from overwatch_assets_tests.sample.clouds import Loaded, load

pytestmark = pytest.mark.engine

ATTRIBUTES = {
    Cloud.AWS: (
        "aws_attributes",
        {
            "zone_id": "us-east-1a",
            "first_on_demand": "1",
            "availability": "ON_DEMAND",
            "instance_profile_arn": "arn:aws:iam::111122223333:instance-profile/etl",
        },
        {"zone_id": "us-east-1a", "availability": "ON_DEMAND"},
    ),
    Cloud.AZURE: (
        "azure_attributes",
        {"first_on_demand": "1", "availability": "ON_DEMAND_AZURE", "spot_bid_max_price": "-1.0"},
        {"availability": "ON_DEMAND_AZURE", "spot_bid_max_price": "-1.0"},
    ),
    Cloud.GCP: (
        "gcp_attributes",
        {
            "zone_id": "us-central1-a",
            "availability": "ON_DEMAND_GCP",
            "use_preemptible_executors": "false",
            "google_service_account": "clusters@retail.iam.gserviceaccount.com",
            "local_ssd_count": "1",
        },
        {"zone_id": "us-central1-a", "gcp_availability": "ON_DEMAND_GCP", "local_ssd_count": "1"},
    ),
}
OF_CLUSTERS = ("clusters_snapshot_bronze", "cluster_spec_silver", "cluster_gold")
OF_POOLS = ("pools_snapshot_bronze", "pools_silver", "instancepool_gold")
LOGINS = {
    Cloud.AWS: {"samlLogin", "certLogin"},
    Cloud.AZURE: {"aadBrowserLogin", "aadTokenLogin"},
    Cloud.GCP: {"gcpWorkspaceBrowserLogin", "oidcBrowserLogin"},
}
SCRIPTS = {
    Cloud.AWS: {"s3": {"destination": "s3://retail-artifacts/init/agent.sh", "region": "us-east-1"}},
    Cloud.AZURE: {"abfss": {"destination": "abfss://artifacts@retail.dfs.core.windows.net/init/agent.sh"}},
    Cloud.GCP: {"gcs": {"destination": "gs://retail-artifacts/init/agent.sh"}},
}
# Of the workers and of the drivers: DBUs and dollars an hour, as shipped.
NODES = {
    Cloud.AWS: {"i3.xlarge": (1, 0.312), "i3.2xlarge": (2, 0.624)},
    Cloud.AZURE: {"Standard_DS3_v2": (0.75, 0.293), "Standard_DS4_v2": (1.5, 0.585)},
    Cloud.GCP: {"n2-highmem-4": (None, 0.262028), "n2-highmem-8": (None, 0.524056)},
}
SPECIAL = (*OF_CLUSTERS, *OF_POOLS, "account_login_gold", "job_status_silver", "cluster_events_bronze")
# What costs name, of the sample's price files and its warehouses of a size that there is not.
UNKNOWN = {
    Cloud.AWS: set(),
    Cloud.AZURE: {f"{what} of driver node Standard_DS4_v2" for what in ("cores", "DBUs", "price")},
    Cloud.GCP: {"DBUs of driver node n2-highmem-8"},
}
UNKNOWN_OF_WAREHOUSES = {
    Cloud.AWS: set(),
    # The sample's file prices no other node than that of its clusters; one of these warehouses is serverless.
    Cloud.AZURE: {
        *(f"{what} of size 2X-Small" for what in ("price of the driver", "price of a worker")),
        *(f"cores of the workers of size {size}" for size in ("2X-Small", "Medium")),
    },
    Cloud.GCP: {f"DBUs of size {size}" for size in ("2X-Small", "Medium")},
}
WHOLE = [
    pytest.param((Cloud.GCP, None), id="GCP"),
    *(pytest.param((cloud, None), marks=pytest.mark.deep, id=str(cloud)) for cloud in (Cloud.AZURE, Cloud.AWS)),
]
LOADED = [*WHOLE, pytest.param((Cloud.AZURE, SPECIAL), id="some of Azure")]
Loading = Callable[[Cloud, Iterable[str] | None], Loaded]


@pytest.fixture(scope="module")
def loading(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Loading:
    return cache(lambda cloud, wanted: load(spark, tmp_path_factory.mktemp("home"), cloud, wanted))


@pytest.fixture(scope="module", params=LOADED)
def loaded(loading: Loading, request: pytest.FixtureRequest) -> Loaded:
    return loading(*request.param)


def test_settings_of_the_cloud_are_in_its_own_columns(loaded: Loaded) -> None:
    own, of_clusters, of_pools = ATTRIBUTES[loaded.told.cloud]
    columns = [name for name, _, _ in ATTRIBUTES.values()]
    for names, expected in ((OF_CLUSTERS, of_clusters), (OF_POOLS, of_pools)):
        for name in names:
            found = loaded.table(name).select(columns).to_pylist(maps_as_pydicts="strict")
            told = [row[own] for row in found if row[own] is not None]
            assert told, name
            assert all(row == expected for row in told), name
            assert {row[other] for row in found for other in columns if other != own} == {None}, name


def test_clusters_of_jobs_have_them_too(loaded: Loaded) -> None:
    own, expected, _ = ATTRIBUTES[loaded.told.cloud]
    clusters = [c for (of_job,) in loaded.rows("job_status_silver", "job_clusters") for c in of_job or ()]
    assert clusters
    assert all(cluster["new_cluster"][own] == expected for cluster in clusters)
    edits = [d["attributes"] for d, kind in loaded.rows("cluster_events_bronze", "details", "type") if kind == "EDITED"]
    assert edits
    assert all(edit[own] == expected for edit in edits)


def test_the_script_of_a_cluster_is_where_its_cloud_keeps_it(loaded: Loaded) -> None:
    for table in ("cluster_spec_silver", "cluster_gold"):
        found = {
            (name, said) for name, said in loaded.rows(table, "cluster_name", "init_scripts") if said not in (None, "")
        }
        assert {(name, json.dumps(json.loads(said))) for name, said in found} == {
            ("shared-analytics", json.dumps([SCRIPTS[loaded.told.cloud]]))
        }, table


def test_people_and_services_sign_in_as_on_their_cloud(loaded: Loaded) -> None:
    kinds = {kind for (kind,) in loaded.rows("account_login_gold", "login_type")}
    everywhere = {"tokenLogin", "oidcTokenAuthorization", "jwtLogin", "mfaLogin", "login", "ssh"}
    assert LOGINS[loaded.told.cloud] | everywhere <= kinds
    assert kinds.isdisjoint(kind for cloud, own in LOGINS.items() if cloud != loaded.told.cloud for kind in own)


def test_the_records_are_those_of_the_story(loaded: Loaded) -> None:
    """Each once, however they were delivered, and the one that is cut short in quarantine."""
    own = loaded.rows("audit_log_bronze", "category", "auditLevel")
    through_a_hub = loaded.told.cloud == Cloud.AZURE
    assert {(category is None, level is None) for category, level in own} == {(not through_a_hub, through_a_hub)}
    assert len(own) == 203
    bad = [r for s, r in loaded.rows("quarantine_bronze", "source", "reason") if s == "audit_log_bronze"]
    assert [reason.partition(":")[0] for reason in bad] == ["not JSON"]


def test_what_its_nodes_cost_is_shipped(loaded: Loaded) -> None:
    cloud = loaded.told.cloud
    book = price_book(loaded.workspace.model_copy(update={"prices": None}))
    shipped = {r.key: (r.values["Hourly_DBUs"], r.values["On_Demand_Cost_Hourly"]) for r in book.of(Kind.INSTANCE)}
    assert {name: shipped[name] for name in NODES[cloud]} == NODES[cloud]


@pytest.mark.parametrize("loaded", WHOLE, indirect=True)
def test_every_table_has_rows_and_costs_say_what_nobody_knows(loaded: Loaded) -> None:
    cloud = loaded.told.cloud
    empty = {table.name for table in modules() if not loaded.count(table.name)}
    assert empty == (set() if cloud == Cloud.AWS else {"instance_profiles_snapshot_bronze"})
    assert _missing(loaded, "clusterstatefact_gold") == UNKNOWN[cloud]
    # The last: of a warehouse that was made before the story and was gone before the only snapshot.
    everywhere = {"size 5X-Large", "size", "type of the warehouse"}
    assert _missing(loaded, "warehousestatefact_gold") == everywhere | UNKNOWN_OF_WAREHOUSES[cloud]


@pytest.mark.deep
def test_all_other_columns_are_filled_on_all_clouds_or_on_none(loading: Loading) -> None:
    filled = {cloud: loading(cloud, None).filled for cloud in Cloud}
    different = {
        (*each, *(cloud for cloud in Cloud if each in filled[cloud]))
        for each in set.union(*filled.values()) - set.intersection(*filled.values())
        if each[0] != "instance_profiles_snapshot_bronze"
    }
    files, both = (Cloud.AWS, Cloud.GCP), (Cloud.AWS, Cloud.AZURE)
    assert different == {
        *((name, own, cloud) for name in (*OF_CLUSTERS, *OF_POOLS) for cloud, (own, *_) in ATTRIBUTES.items()),
        *(("audit_log_bronze", name, *files) for name in ("auditLevel", "accountId")),
        ("audit_log_bronze", "category", Cloud.AZURE),
        # Azure's price file drops the shipped list, and prices one node type that no warehouse has.
        *(("instancedetails", name, *files) for name in ("On_Demand_Cost_Hourly", "price_date")),
        *(
            ("warehousedbudetails", f"{n}_{w}", *files)
            for n in ("driver", "worker")
            for w in ("vCPUs", "compute_price")
        ),
        ("warehousedbudetails", "total_dbus", *both),
        ("photonfactors", "price_date", Cloud.AWS),
        # Only notebooks on a cluster whose driver is priced have these.
        *(("notebookcommands_gold", name, *files) for name in ("driver_compute_cost", "total_driver_cost")),
        ("notebookcommands_gold", "driver_dbu_cost", Cloud.AWS),
    }


def _missing(loaded: Loaded, table: str) -> set[str]:
    said = {part for (status,) in loaded.rows(table, "cost_status") for part in status.split("; ")}
    return {part.removeprefix("missing ") for part in said if part.startswith("missing ")}
