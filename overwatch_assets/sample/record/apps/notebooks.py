"""Two notebooks and a job at once on one cluster, with the local properties that Databricks gives to a Spark job."""

import json
import time

from pyspark import InheritableThread
from pyspark.sql import SparkSession, functions as F

spark = (
    SparkSession.builder.appName("Databricks Shell")
    .config("spark.scheduler.mode", "FAIR")
    .config("spark.sql.shuffle.partitions", "4")
    .getOrCreate()
)
sc = spark.sparkContext

TAGS = [
    {"key": "Vendor", "value": "Databricks"},
    {"key": "Creator", "value": "platform@example.com"},
    {"key": "ClusterName", "value": "shared-analytics"},
    {"key": "ClusterId", "value": "0502-123456-abcd123"},
    {"key": "team", "value": "analytics"},
]
USAGE = "spark.databricks.clusterUsageTags."
CLUSTER = {
    "spark.databricks.api.url": "https://eastus.azuredatabricks.net",
    "spark.databricks.cloudProvider": "Azure",
    "spark.databricks.clusterSource": "UI",
    "spark.databricks.sparkContextId": "5312345678901234567",
    "spark.databricks.workerNodeTypeId": "Standard_DS3_v2",
    f"{USAGE}autoTerminationMinutes": "60",
    f"{USAGE}clusterAllTags": json.dumps(TAGS, separators=(",", ":")),
    f"{USAGE}clusterAvailability": "ON_DEMAND_AZURE",
    f"{USAGE}clusterId": "0502-123456-abcd123",
    f"{USAGE}clusterMaxWorkers": "4",
    f"{USAGE}clusterMinWorkers": "2",
    f"{USAGE}clusterName": "shared-analytics",
    f"{USAGE}clusterOwnerUserId": "1000000000000001",
    f"{USAGE}clusterScalingType": "autoscaling",
    f"{USAGE}clusterTargetWorkers": "2",
    f"{USAGE}clusterWorkers": "2",
    f"{USAGE}containerZoneId": "eastus-1",
    f"{USAGE}dataPlaneRegion": "eastus",
    f"{USAGE}driverNodeType": "Standard_DS4_v2",
    f"{USAGE}sparkVersion": f"{'.'.join(spark.version.split('.')[:2])}.x-scala2.12",
    # What users put into a cluster's configuration and should not: it must never reach a table.
    "spark.hadoop.fs.azure.account.oauth2.client.secret": "not-a-real-secret",
    "spark.sample.registry.password": "not-a-real-password",
    "spark.sample.upstream.api.token": "not-a-real-token",
}
ANALYST = {"user": "analyst@example.com", "userID": "1000000000000002", "principalIdpObjectId": "sample-idp-analyst"}
ENGINEER = {"user": "engineer@example.com", "userID": "1000000000000003", "principalIdpObjectId": "sample-idp-engineer"}


def notebook(number: int, path: str) -> dict[str, str]:
    """Return the properties of one attached notebook."""
    return {
        "spark.databricks.notebook.id": str(4_400_000_000_000_000 + number),
        "spark.databricks.notebook.path": path,
        "spark.databricks.replId": f"ReplId-1a2b3-{number}c4d5-e6f70-{number}",
        "spark.databricks.isolationID": f"isolation-{number}",
    }


def command(properties: dict[str, str], group: str, description: str) -> None:
    """Begin a notebook command: what this thread runs next carries these properties and no others."""
    for name in {
        *CLUSTER,
        *ANALYST,
        "spark.databricks.job.id",
        "spark.databricks.job.runId",
        "spark.databricks.job.type",
    }:
        sc.setLocalProperty(name, None)  # type: ignore[arg-type]  # None removes a property; PySpark's hint says str
    for name, value in {**CLUSTER, **properties}.items():
        sc.setLocalProperty(name, value)
    sc.setJobGroup(group, description)


def explore() -> None:
    """Work as an analyst at a notebook: SQL commands, of which the later ones arrive without a user."""
    place = notebook(1, "/Users/analyst@example.com/explore-orders")
    command(place | ANALYST, "1001_5001_7d1f0a", "select region")
    spark.range(4000).groupBy((F.col("id") % 7).alias("region")).agg(F.sum("id")).collect()
    command(place | ANALYST, "1001_5002_7d1f0b", "select top customers")
    spark.range(8000).groupBy((F.col("id") % 100).alias("c")).count().orderBy(F.desc("count")).limit(5).collect()
    command(place, "1001_5003_7d1f0c", "display(df)")
    spark.range(500).where("id % 2 = 0").count()
    command({"spark.databricks.replId": place["spark.databricks.replId"]}, "1001_5004_7d1f0d", "df.show()")
    spark.range(300, numPartitions=3).select(F.sha1(F.col("id").cast("string"))).collect()


def train() -> None:
    """Work as an engineer at another notebook: RDD jobs, and a query that is cancelled."""
    place = notebook(2, "/Repos/engineer@example.com/models/train")
    command(place | ENGINEER, "1002_6001_8e2a1a", "features")
    sc.parallelize(range(1000), 6).map(lambda row: (row % 10, row)).groupByKey(3).mapValues(sum).collect()
    command({"spark.databricks.isolationID": "isolation-2"}, "1002_6001_8e2a1a", "features, same command")
    sc.parallelize(range(100), 2).count()
    command(place | ENGINEER, "1002_6002_8e2a1b", "train, cancelled")
    fit = InheritableThread(target=wait_to_be_cancelled)
    fit.start()
    while not sc.statusTracker().getJobIdsForGroup("1002_6002_8e2a1b"):
        time.sleep(0.1)
    time.sleep(1.5)
    sc.cancelJobGroup("1002_6002_8e2a1b")
    fit.join()


def wait_to_be_cancelled() -> None:
    """Run a query that takes longer than anyone waits."""
    try:
        spark.range(0, 40_000_000_000, numPartitions=3).select(F.sum(F.hash("id"))).collect()
    except Exception as cancelled:  # 3.5 and 4.x raise different classes for a cancelled job
        if "cancel" not in str(cancelled).lower():
            raise


def nightly_job() -> None:
    """Two tasks of a job run on this cluster; the second has its ids in the job group only."""
    place = notebook(3, "/Shared/jobs/nightly-report")
    job = {
        "spark.databricks.job.id": "77",
        "spark.databricks.job.runId": "9001",
        "spark.databricks.job.type": "notebook",
    }
    command(place | job | ENGINEER, "1234_5678_job-77-run-9001-action-1", "nightly report")
    for part in range(3):
        spark.range(2000).groupBy((F.col("id") % (part + 3)).alias("k")).agg(F.max("id")).collect()
    command(place, "1234_5679_job-77-run-9002-action-1", "nightly report, second task")
    spark.range(2000).repartition(4).write.mode("overwrite").parquet("lake/report")
    spark.read.parquet("lake/report").count()


threads = [InheritableThread(target=target) for target in (explore, train, nightly_job)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
spark.stop()
