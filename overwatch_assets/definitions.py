"""What Dagster loads: every table as a partitioned asset, with its checks, jobs, schedule, sensor and resources.

The environment variable OVERWATCH_DEPLOYMENT names the deployment file.
"""

import dagster as dg

from overwatch_assets.orchestration import settings
from overwatch_assets.orchestration.assets import IO_MANAGER, table_assets
from overwatch_assets.orchestration.checks import table_checks
from overwatch_assets.orchestration.io_manager import DeltaIOManager
from overwatch_assets.orchestration.jobs import table_jobs
from overwatch_assets.orchestration.partitions import partitions_of
from overwatch_assets.orchestration.resources import SparkResource, client_resources
from overwatch_assets.orchestration.schedules import daily
from overwatch_assets.orchestration.sensors import new_cluster_logs

DEPLOYMENT = settings.deployment(settings.deployment_path())
PARTITIONS = partitions_of(DEPLOYMENT, settings.stated_day())
SPARK = SparkResource.configure_at_launch()  # one object, so that a run has one session

defs = dg.Definitions(
    assets=table_assets(PARTITIONS, database=DEPLOYMENT.etl_database_name),
    asset_checks=table_checks(PARTITIONS),
    jobs=table_jobs(),
    schedules=[daily(DEPLOYMENT)],
    sensors=[new_cluster_logs(DEPLOYMENT)],
    resources={"spark": SPARK, IO_MANAGER: DeltaIOManager(spark=SPARK), **client_resources(DEPLOYMENT)},
    executor=dg.in_process_executor,  # the default starts a process, and a Spark session, for each step
)
