"""silver.md 1.1 and 1.4."""

import datetime as dt

import pytest
from pyspark.sql import DataFrame, SparkSession

from overwatch_assets.silver.spark_jobs_silver import spark_jobs_silver
from overwatch_assets_tests.event_lines import CLUSTER, CONTEXT, bronze, row, rows

pytestmark = pytest.mark.engine

# 2024-05-01T23:59:59.500Z; the end is two days later, 2024-05-04T00:00:00.250Z.
START = """{"Event":"SparkListenerJobStart","Job ID":7,"Submission Time":1714607999500,"Stage IDs":[3,4],"Stage Infos":[
{"Stage ID":3,"Stage Attempt ID":0,"Stage Name":"map","Number of Tasks":6,"RDD Info":[{"RDD ID":1}],"Parent IDs":[],
"Submission Time":1714607990000,"Completion Time":1714607995000},{"Stage ID":4,"Stage Attempt ID":0,"Stage Name":"count",
"Number of Tasks":2,"Parent IDs":[3]}],"Properties":{"spark.jobGroup.id":"g_1","spark.sql.execution.id":"12",
"spark.databricks.notebook.path":"/Users/a","spark.databricks.notebook.id":"","user":"ann@example.com",
"spark.databricks.clusterUsageTags.clusterName":"job-5-run-6","spark.databricks.workerNodeTypeId":"i3.xlarge",
"spark.databricks.clusterSource":"JOB"}}""".replace("\n", "")
END = """{"Event":"SparkListenerJobEnd","Job ID":7,"Completion Time":1714780800250,"Job Result":{"Result":"JobFailed",
"Exception":{"Message":"boom","Stack Trace":[{"Declaring Class":"A","Method Name":"run",
"File Name":"A.scala","Line Number":9}]}}}""".replace("\n", "")


def jobs(spark: SparkSession, *lines: str) -> DataFrame:
    events = bronze(spark, *lines)
    return spark_jobs_silver(spans=events, spark_events_bronze=events)


def test_a_job_has_its_start_from_one_event_and_its_end_from_another_days_later(spark: SparkSession) -> None:
    job = row(jobs(spark, START, END))
    assert (job["clusterId"], job["SparkContextID"], job["JobID"]) == (CLUSTER, CONTEXT, 7)
    assert job["StageIDs"] == [3, 4]
    assert job["JobGroupID"] == "g_1"
    assert job["ExecutionID"] == "12"
    trace = [{"DeclaringClass": "A", "MethodName": "run", "FileName": "A.scala", "LineNumber": 9}]
    assert job["JobResult"] == {"Result": "JobFailed", "Exception": {"Message": "boom", "StackTrace": trace}}
    assert (job["startTimestamp"], job["startDate"]) == (1714607999500, dt.date(2024, 5, 1))
    ran = job["JobRunTime"]
    assert (ran["startEpochMS"], ran["endEpochMS"], ran["runTimeMS"]) == (1714607999500, 1714780800250, 172800750)
    assert (ran["runTimeS"], ran["runTimeM"]) == (172800.75, 172800.75 / 60)
    folder = f"/logs/{CLUSTER}/eventlog/10.0.0.1/{CONTEXT}"
    assert job["startFilenameGroup"] == {
        "filename": f"{folder}/eventlog",
        "byCluster": f"/logs/{CLUSTER}",
        "byDriverHost": f"/logs/{CLUSTER}/eventlog/10.0.0.1",
        "bySparkContext": folder,
    }
    assert job["endFilenameGroup"] == job["startFilenameGroup"]


def test_stages_as_planned_are_kept_with_those_that_were_there_already(spark: SparkSession) -> None:
    planned = row(jobs(spark, START))["StageInfos"]
    assert [(s["StageID"], s["NumberofTasks"], s["ParentIDs"], s["CompletionTime"]) for s in planned] == [
        (3, 6, [], 1714607995000),
        (4, 2, [3], None),
    ]


def test_properties_go_to_members_and_an_empty_one_is_unknown(spark: SparkSession) -> None:
    power = row(jobs(spark, START))["PowerProperties"]
    assert (power["UserEmail"], power["NotebookPath"], power["NotebookID"]) == ("ann@example.com", "/Users/a", None)
    details = power["ClusterDetails"]
    assert (details["Name"], details["WorkerNodeType"], details["ClusterSource"]) == ("job-5-run-6", "i3.xlarge", "JOB")


def test_an_empty_group_is_a_group_but_identifies_nobody(spark: SparkSession) -> None:
    start = (
        '{"Event":"SparkListenerJobStart","Job ID":1,"Submission Time":5,"Stage Infos":[],"Stage IDs":[],'
        '"Properties":{"spark.jobGroup.id":""}}'
    )
    job = row(jobs(spark, start))
    assert (job["JobGroupID"], job["PowerProperties"]["JobGroupID"], job["AsksFor"]) == ("", None, None)


def test_a_job_without_an_end_is_open(spark: SparkSession) -> None:
    job = row(jobs(spark, START))
    assert job["JobResult"] is None
    assert job["endFilenameGroup"] is None
    assert {job["JobRunTime"][n] for n in ("endEpochMS", "endTS", "runTimeMS", "runTimeS")} == {None}


def test_an_end_without_a_start_is_kept_on_the_day_of_the_end(spark: SparkSession) -> None:
    job = row(jobs(spark, END))
    assert (job["JobID"], job["startTimestamp"], job["startDate"]) == (7, None, dt.date(2024, 5, 4))
    assert job["JobRunTime"]["endEpochMS"] == 1714780800250
    assert (job["StageIDs"], job["PowerProperties"], job["startFilenameGroup"]) == (None, None, None)


def test_the_order_of_the_lines_does_not_matter(spark: SparkSession) -> None:
    compared = ("JobID", "StageIDs", "JobRunTime", "JobResult", "PowerProperties")
    one, other = row(jobs(spark, START, END)), row(jobs(spark, END, START))
    assert {n: one[n] for n in compared} == {n: other[n] for n in compared}


def test_a_job_without_stages_and_without_properties(spark: SparkSession) -> None:
    start = '{"Event":"SparkListenerJobStart","Job ID":1,"Submission Time":5,"Stage Infos":[],"Stage IDs":[]}'
    end = '{"Event":"SparkListenerJobEnd","Job ID":1,"Completion Time":5,"Job Result":{"Result":"JobSucceeded"}}'
    job = row(jobs(spark, start, end))
    assert (job["StageIDs"], job["StageInfos"], job["JobGroupID"]) == ([], [], None)
    assert (job["JobRunTime"]["runTimeMS"], job["JobResult"]["Result"]) == (0, "JobSucceeded")


def started(job_id: int, properties: str) -> str:
    return f'{{"Event":"SparkListenerJobStart","Job ID":{job_id},"Submission Time":5,"Properties":{{{properties}}}}}'


def test_a_job_that_names_its_user_vouches_and_another_asks(spark: SparkSession) -> None:
    shared = '"spark.jobGroup.id":"g","spark.sql.execution.id":"3","spark.databricks.replId":"r"'
    named = started(1, f'{shared},"spark.databricks.isolationID":"i","user":"ann@example.com"')
    found = {job["JobID"]: job for job in rows(jobs(spark, named, started(2, shared), started(3, "")))}
    within = f"{CLUSTER}/{CONTEXT}"
    assert found[1]["VouchesFor"] == [f"2:{within}/i", f"3:{within}/g", f"4:{within}/3", f"5:{within}/r"]
    assert found[1]["AsksFor"] is None
    assert found[2]["VouchesFor"] is None
    assert found[2]["AsksFor"] == [f"3:{within}/g", f"4:{within}/3", f"5:{within}/r"]
    assert (found[3]["VouchesFor"], found[3]["AsksFor"]) == (None, None)


def test_a_principal_is_an_identity_on_azure_alone_and_in_all_contexts(spark: SparkSession) -> None:
    principal = '"principalIdpObjectId":"p"'
    azure = started(1, f'{principal},"spark.databricks.cloudProvider":"Azure"')
    other = started(2, f'{principal},"spark.databricks.cloudProvider":"AWS"')
    found = {job["JobID"]: job["AsksFor"] for job in rows(jobs(spark, azure, other))}
    assert found == {1: ["1:p"], 2: None}
