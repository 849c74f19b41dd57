"""What differs between the clouds: one row of facts for each, from which the sample's other modules tell.

Attributes, node types, names of hosts and actions: Databricks' REST API and audit log references.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from overwatch_assets.config.fields import Cloud

INSTANCE_PROFILE = "arn:aws:iam::111122223333:instance-profile/etl"


@dataclass(frozen=True)
class Node:
    """A node type."""

    name: str
    cores: int
    memory_mb: int


@dataclass(frozen=True)
class CloudFacts:
    """What a workspace on a cloud has of it.

    Attributes:
        host: of the workspace, with its `{name}` or `{workspace_id}`.
        audit_log_format: how audit logs are delivered, as the deployment file says it.
        audit_folder: below the audit logs' prefix, of the workspace `{workspace_id}`.
        log_destination: where clusters deliver their logs.
        init_script: a script that a cluster runs when it starts, as its definition has it.
        attributes: the property of definitions that has the cloud's settings; `of_cluster` and `of_pool` are those.
        availability: of nodes, as Spark's properties say it.
        elastic_disk: disks of all clusters grow; else only those of jobs' clusters.
        browser_login: the action by which people sign in.
        own_login: the action by which a service signs in, and the method that it names.
        instance_profiles: whether there are such.
    """

    region: str
    zone: str
    worker: Node
    driver: Node
    host: str
    audit_log_format: str
    log_destination: str
    init_script: Mapping[str, Any]
    attributes: str
    of_cluster: Mapping[str, Any]
    of_pool: Mapping[str, Any]
    availability: str
    browser_login: str
    own_login: tuple[str, str]
    audit_folder: str = ""
    elastic_disk: bool = False
    instance_profiles: bool = False


_AWS = CloudFacts(
    region="us-east-1",
    zone="us-east-1a",
    worker=Node("i3.xlarge", 4, 31_232),
    driver=Node("i3.2xlarge", 8, 62_464),
    host="{name}.cloud.databricks.com",
    audit_log_format="json",
    log_destination="dbfs:/mnt/cluster-logs",
    init_script={"s3": {"destination": "s3://retail-artifacts/init/agent.sh", "region": "us-east-1"}},
    attributes="aws_attributes",
    of_cluster={
        "zone_id": "us-east-1a",
        "first_on_demand": 1,
        "availability": "ON_DEMAND",
        "instance_profile_arn": INSTANCE_PROFILE,
    },
    of_pool={"zone_id": "us-east-1a", "availability": "ON_DEMAND"},
    availability="ON_DEMAND",
    browser_login="samlLogin",
    own_login=("certLogin", "X509"),
    instance_profiles=True,
)
_AZURE = CloudFacts(
    region="eastus",
    zone="eastus-1",
    worker=Node("Standard_DS3_v2", 4, 14_336),
    driver=Node("Standard_DS4_v2", 8, 28_672),
    host="adb-{workspace_id}.7.azuredatabricks.net",
    audit_log_format="capture",
    log_destination="dbfs:/mnt/cluster-logs",
    init_script={"abfss": {"destination": "abfss://artifacts@retail.dfs.core.windows.net/init/agent.sh"}},
    attributes="azure_attributes",
    of_cluster={"first_on_demand": 1, "availability": "ON_DEMAND_AZURE", "spot_bid_max_price": -1.0},
    of_pool={"availability": "ON_DEMAND_AZURE", "spot_bid_max_price": -1.0},
    availability="ON_DEMAND_AZURE",
    browser_login="aadBrowserLogin",
    own_login=("aadTokenLogin", "TOKEN"),
    elastic_disk=True,
)
_GCP = CloudFacts(
    region="us-central1",
    zone="us-central1-a",
    worker=Node("n2-highmem-4", 4, 32_768),
    driver=Node("n2-highmem-8", 8, 65_536),
    host="{workspace_id}.7.gcp.databricks.com",
    audit_log_format="json",
    audit_folder="workspaceId={workspace_id}/",
    log_destination="dbfs:/cluster-logs",
    init_script={"gcs": {"destination": "gs://retail-artifacts/init/agent.sh"}},
    attributes="gcp_attributes",
    of_cluster={
        "zone_id": "us-central1-a",
        "availability": "ON_DEMAND_GCP",
        "use_preemptible_executors": False,
        "google_service_account": "clusters@retail.iam.gserviceaccount.com",
        "local_ssd_count": 1,
    },
    of_pool={"zone_id": "us-central1-a", "gcp_availability": "ON_DEMAND_GCP", "local_ssd_count": 1},
    availability="ON_DEMAND_GCP",
    browser_login="gcpWorkspaceBrowserLogin",
    own_login=("oidcBrowserLogin", "OIDC"),
)
FACTS: Mapping[Cloud, CloudFacts] = {Cloud.AWS: _AWS, Cloud.AZURE: _AZURE, Cloud.GCP: _GCP}
