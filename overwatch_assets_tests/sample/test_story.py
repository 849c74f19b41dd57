"""One story: the same bytes each time, ids that agree wherever they are told, files that grow and roll."""

import datetime as dt
import gzip
import json
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from overwatch_assets.config.fields import Cloud
from overwatch_assets.sample.audit import audit_lines
from overwatch_assets.sample.clusters import bodies
from overwatch_assets.sample.demo import known_at
from overwatch_assets.sample.events import events as events_of
from overwatch_assets.sample.jobs import jobs, pools
from overwatch_assets.sample.logs import RECORDED
from overwatch_assets.sample.story import DAY, DAYS, FIRST_MS, HOUR, LOOKS, Application, SampleWorkspace, Story, story
from overwatch_assets.sample.world import write_until

END = LOOKS[-1]
LATER = END + dt.timedelta(days=1)
MIDNIGHTS = (FIRST_MS + DAY, FIRST_MS + 2 * DAY)


def ms(moment: dt.datetime) -> int:
    return round(moment.timestamp() * 1000)


def applications(workspace: SampleWorkspace) -> list[Application]:
    return [up.application for c in workspace.clusters for up in c.uptimes if up.application is not None]


def events(application: Application) -> Iterator[dict[str, Any]]:
    for line in application.lines:
        try:
            yield orjson.loads(line)
        except orjson.JSONDecodeError:
            assert application.bad_line


def files(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def unpacked(path: str, content: bytes) -> bytes:
    return gzip.decompress(content) if path.endswith(".gz") else content


@pytest.fixture(scope="module")
def told() -> Story:
    """A workspace on each cloud."""
    return story(clouds=tuple(Cloud))


def records(workspace: SampleWorkspace) -> list[dict[str, Any]]:
    return [dict(line.record) for line in audit_lines(workspace, ms(LATER)) if not line.broken]


def test_the_same_seed_gives_the_same_files(told: Story, tmp_path: Path) -> None:
    write_until(told, tmp_path / "a", LOOKS[0])
    story.cache_clear()
    again = story(clouds=tuple(Cloud))
    write_until(again, tmp_path / "b", LOOKS[0])
    assert again is not told
    assert again == told
    assert files(tmp_path / "a") == files(tmp_path / "b")
    assert len(files(tmp_path / "a")) > 20


def test_another_seed_gives_other_ids(told: Story) -> None:
    other = story(7, tuple(Cloud))
    assert {c.cluster_id for w in other.workspaces for c in w.clusters}.isdisjoint(
        c.cluster_id for w in told.workspaces for c in w.clusters if c.created_ms >= FIRST_MS
    )


def test_one_workspace_on_each_cloud_and_every_recorded_log_is_in_it(told: Story) -> None:
    assert [w.cloud for w in told.workspaces] == list(Cloud)
    assert len({w.workspace_id for w in told.workspaces}) == 3
    by_default = story().workspaces
    assert [w.cloud for w in by_default] == [Cloud.AWS, Cloud.AZURE]
    assert by_default == told.workspaces[:2], "a workspace does not depend on the others"
    used = {a.recording for w in told.workspaces for a in applications(w)}
    assert used == {entry["name"] for entry in json.loads((RECORDED / "manifest.json").read_bytes())}


@pytest.mark.parametrize("number", [0, 1, 2])
def test_ids_in_the_logs_are_those_of_audit_and_api(told: Story, number: int) -> None:
    workspace = told.workspaces[number]
    audit = records(workspace)
    params = [r["requestParams"] for r in audit]
    in_audit = {p[k] for p in params for k in ("clusterId", "cluster_id") if k in p}
    in_audit |= {
        json.loads(r["response"]["result"])["cluster_id"]
        for r in audit
        if r["actionName"] == "create" and r["serviceName"] == "clusters"
    }
    jobs = {p["jobId"] for p in params if "jobId" in p}
    runs = {p["runId"] for p in params if "runId" in p}
    notebooks = {p["notebookId"] for p in params if "notebookId" in p}
    users = {r["userIdentity"]["email"] for r in audit}
    seen: dict[str, set[str]] = defaultdict(set)
    for app in applications(workspace):
        for event in events(app):
            properties = event.get("Properties") or {}
            for name in (
                "spark.databricks.job.id",
                "spark.databricks.job.runId",
                "spark.databricks.notebook.id",
                "user",
            ):
                if name in properties:
                    seen[name].add(properties[name])
            found = re.search(r"job-(\d+)-run-(\d+)", properties.get("spark.jobGroup.id", ""))
            if found:
                seen["spark.databricks.job.id"].add(found[1])
                seen["spark.databricks.job.runId"].add(found[2])
            cluster = properties.get("spark.databricks.clusterUsageTags.clusterId", app.cluster_id)
            tags = properties.get("spark.databricks.clusterUsageTags.clusterAllTags", app.cluster_id)
            assert cluster == app.cluster_id
            assert app.cluster_id in tags
    assert {a.cluster_id for a in applications(workspace)} <= in_audit
    assert seen["spark.databricks.job.id"] <= jobs
    assert seen["spark.databricks.job.runId"] <= runs
    # The nightly report's notebook is run by its job and not by a person.
    assert len(seen["spark.databricks.notebook.id"] - notebooks) == 1
    assert seen["user"] <= users
    assert all(user.endswith("@example.com") for user in users - {"System-User"})
    assert len(seen["spark.databricks.job.id"]) == 4
    by_moment = [set(bodies(workspace, ms(look))) for look in LOOKS]
    hidden = {c.cluster_id for c in workspace.clusters if c.forbidden}
    assert set.union(*by_moment) | hidden == {c.cluster_id for c in workspace.clusters}
    assert len(hidden) == 1


def test_what_audit_says_of_a_cluster_is_what_the_api_says(told: Story) -> None:
    for workspace in told.workspaces:
        found = bodies(workspace, ms(LOOKS[1]))
        created = {
            json.loads(r["response"]["result"])["cluster_id"]: r["requestParams"]
            for r in records(workspace)
            if r["serviceName"] == "clusters" and r["actionName"] == "create" and r["timestamp"] <= ms(LOOKS[1])
        }
        assert set(created) < set(found)
        for cluster_id, said in created.items():
            body = found[cluster_id]
            assert said["cluster_name"] == body["cluster_name"]
            assert said["num_workers"] == str(body["num_workers"])
            assert json.loads(said["cluster_log_conf"]) == body["cluster_log_conf"]


def test_a_cluster_is_pending_running_terminated_and_gone(told: Story) -> None:
    workspace = told.workspaces[0]
    sandbox = next(c for c in workspace.clusters if c.name == "ml-sandbox")
    (up,) = sandbox.uptimes
    assert up.terminated_ms is not None
    assert sandbox.deleted_ms is not None

    def body(at: int) -> Any:
        return bodies(workspace, at).get(sandbox.cluster_id)

    assert body(up.requested_ms - 1) is None
    assert body(up.requested_ms)["state"] == "PENDING"
    running = body(up.running_ms)
    assert running["state"] == "RUNNING"
    assert running["driver"]["private_ip"] == up.application.hosts[0]  # type: ignore[union-attr]
    assert running["spark_context_id"] == int(up.application.spark_context_id)  # type: ignore[union-attr]
    ended = body(up.terminated_ms)
    assert (ended["state"], ended["terminated_time"]) == ("TERMINATED", up.terminated_ms)
    assert ended["termination_reason"]["code"] == "DRIVER_UNREACHABLE"
    assert ended["start_time"] == up.requested_ms
    assert body(sandbox.deleted_ms - 1)["state"] == "TERMINATED"
    assert body(sandbox.deleted_ms) is None


@pytest.mark.parametrize("number", [0, 1, 2])
def test_every_kind_of_event_is_there_on_every_day(told: Story, number: int) -> None:
    kinds: dict[str, set[dt.date]] = defaultdict(set)
    for app in applications(told.workspaces[number]):
        for event, written in zip(app.lines, app.written_ms, strict=True):
            found = re.match(rb'\{"Event":"([^"]+)"', event)
            if found and written <= ms(END):
                kinds[found[1].decode().rpartition(".")[2]].add(
                    dt.datetime.fromtimestamp(written / 1000, dt.UTC).date()
                )
    for kind in (
        "SparkListenerExecutorAdded",
        "SparkListenerJobStart",
        "SparkListenerStageSubmitted",
        "SparkListenerTaskEnd",
        "SparkListenerSQLExecutionStart",
        "StreamingQueryListener$QueryProgressEvent",
    ):
        assert kinds[kind] == set(DAYS), kind


@pytest.mark.parametrize("number", [0, 1, 2])
@pytest.mark.parametrize("moment", [*MIDNIGHTS, ms(END)])
def test_a_spark_job_is_open_at_midnight_and_at_the_end(told: Story, number: int, moment: int) -> None:
    started, ended = set(), set()
    for app in applications(told.workspaces[number]):
        for event in events(app):
            name = event["Event"]
            if name == "SparkListenerJobStart" and event["Submission Time"] < moment:
                started.add((app.app_id, event["Job ID"]))
            elif name == "SparkListenerJobEnd" and event["Completion Time"] < moment:
                ended.add((app.app_id, event["Job ID"]))
    sandbox = {"interrupted"}
    alive = {a.app_id for a in applications(told.workspaces[number]) if a.app_name not in sandbox}
    assert {app for app, _ in started - ended} & alive


def test_a_driver_writes_only_while_its_cluster_is_up(told: Story) -> None:
    for workspace in told.workspaces:
        for cluster in workspace.clusters:
            for up in cluster.uptimes:
                app = up.application
                assert up.requested_ms < up.running_ms < (up.terminated_ms or ms(LATER))
                if app is not None:
                    assert app.written_ms[0] >= up.requested_ms
                    assert app.written_ms[-1] <= (up.terminated_ms or ms(LATER))
        for run in workspace.runs:
            assert run.started_ms < run.ended_ms


@pytest.mark.parametrize("number", [0, 1, 2])
def test_files_grow_roll_or_stay(told: Story, number: int, tmp_path: Path) -> None:
    """Hour by hour: what a log's files hold is the beginning of what they hold later; packed files stay as they are."""
    workspace = told.workspaces[number]
    only = Story(told.seed, (workspace,))
    before: dict[str, bytes] = {}
    grown = rolled = halves = 0
    now = LOOKS[0] - dt.timedelta(hours=14, minutes=50)
    while now <= LOOKS[1]:
        write_until(only, tmp_path, now)
        here = files(tmp_path)
        for path, content in before.items():
            if path.endswith(".gz"):
                assert here[path] == content
        for folder in {path.rpartition("/")[0] for path in here if "/eventlog/" in path}:
            old, new = whole_log(before, folder), whole_log(here, folder)
            assert new.startswith(old.rpartition(b"\n")[0])
            halves += not new.endswith(b"\n")
            grown += old != b"" and len(new) > len(old)
            packed = [path for path in set(here) - set(before) if path.startswith(f"{folder}/eventlog-")]
            rolled += f"{folder}/eventlog" in before and len(packed) > 0
        for path in here:
            assert (tmp_path / path).stat().st_mtime <= now.timestamp()
        before = here
        now += dt.timedelta(hours=1)
    assert grown > 3
    assert rolled > 3
    assert halves > 3


def whole_log(content: dict[str, bytes], folder: str) -> bytes:
    """A log's text: its rolled files in order, and then the one that is written."""
    names = sorted(path for path in content if path.rpartition("/")[0] == folder)
    packed = [path for path in names if path.endswith(".gz")]
    return b"".join(unpacked(path, content[path]) for path in (*packed, *(p for p in names if p not in packed)))


def test_the_whole_log_is_delivered_in_the_end(told: Story, tmp_path: Path) -> None:
    write_until(told, tmp_path, LATER)
    content = files(tmp_path)
    for workspace in told.workspaces:
        for app in applications(workspace):
            host = app.hosts[0].replace(".", "_")
            cluster = f"{workspace.name}/cluster-logs/{app.cluster_id}"
            folder = f"{cluster}/eventlog/{app.cluster_id}_{host}/{app.spark_context_id}"
            assert whole_log(content, folder) == b"".join(app.lines)


def test_writing_again_leaves_the_files_alone(told: Story, tmp_path: Path) -> None:
    write_until(told, tmp_path, LOOKS[0])
    inodes = {p: p.stat().st_ino for p in tmp_path.rglob("*")}
    write_until(told, tmp_path, LOOKS[0])
    assert {p: p.stat().st_ino for p in tmp_path.rglob("*")} == inodes


def test_audit_lines_stand_in_the_folder_of_their_day_and_some_come_late(told: Story, tmp_path: Path) -> None:
    in_json = [w for w in told.workspaces if w.facts.audit_log_format == "json"]
    assert [w.cloud for w in in_json] == [Cloud.AWS, Cloud.GCP]
    for look in LOOKS:
        write_until(told, tmp_path, look)
        for workspace in in_json:
            for path in (tmp_path / workspace.name / "audit-logs").rglob("*.json.gz"):
                day = path.parent.name.removeprefix("date=")
                for line in gzip.decompress(path.read_bytes()).splitlines():
                    try:
                        at = orjson.loads(line)["timestamp"]
                    except orjson.JSONDecodeError:
                        continue
                    assert f"{dt.datetime.fromtimestamp(at / 1000, dt.UTC):%Y-%m-%d}" == day
                    assert at < ms(look)
    for workspace in in_json:
        (late,) = (tmp_path / workspace.name).rglob("date=2024-05-01/auditlogs_2024-05-02--06-00.json.gz")
        hours = {orjson.loads(x)["timestamp"] // HOUR % 24 for x in gzip.decompress(late.read_bytes()).splitlines()}
        assert hours <= {14, 15}
        every = [
            (line.timestamp, line.record["requestId"]) for line in audit_lines(workspace, ms(END)) if not line.broken
        ]
        assert len(every) == len(set(every)) + 1  # one line is delivered twice


def test_one_line_of_a_log_and_one_of_the_audit_logs_are_bad(told: Story, tmp_path: Path) -> None:
    write_until(told, tmp_path, END)
    bad: list[str] = []
    for path, content in files(tmp_path).items():
        if path.endswith(".avro"):
            continue
        lines = unpacked(path, content).splitlines(keepends=True)
        for line in lines:
            try:
                orjson.loads(line)
            except orjson.JSONDecodeError:
                if line.endswith(b"\n"):
                    bad.append("/".join(path.split("/")[:2]))
    assert sorted(bad) == [
        "retail-apps/audit-logs",
        "retail-apps/cluster-logs",
        "retail-lab/cluster-logs",
        "retail-prod/audit-logs",
        "retail-prod/cluster-logs",
    ]


@pytest.mark.parametrize("number", [0, 1, 2])
def test_every_uptime_has_its_events_and_the_autoscaling_one_grows_over_midnight(told: Story, number: int) -> None:
    workspace = told.workspaces[number]
    known = events_of(workspace, ms(LATER))
    assert set(known) == {c.cluster_id for c in workspace.clusters if c.deleted_ms is None}
    before = events_of(workspace, ms(LOOKS[1]))
    for cluster in workspace.clusters:
        found = before.get(cluster.cluster_id, []) if cluster.deleted_ms else known[cluster.cluster_id]
        assert [e["timestamp"] for e in found] == sorted(e["timestamp"] for e in found)
        at: dict[str, list[int]] = defaultdict(list)
        for e in found:
            at[e["type"]].append(e["timestamp"])
        assert sorted(at["CREATING"] + at["STARTING"]) == [up.requested_ms for up in cluster.uptimes]
        assert at["RUNNING"] == [up.running_ms for up in cluster.uptimes]
        assert at["TERMINATING"] == [up.terminated_ms for up in cluster.uptimes if up.terminated_ms]
        assert at["EDITED"] == ([cluster.edited_ms] if cluster.edited_ms else [])
        assert len(at["INIT_SCRIPTS_STARTED"]) == len(at["INIT_SCRIPTS_FINISHED"]) == len(at["DRIVER_HEALTHY"])
        if cluster.source == "JOB":
            assert at["EXPANDED_DISK"] > at["TERMINATING"]
        if cluster.autoscale:
            assert [t // DAY for t in at["RESIZING"] if t <= ms(END)] == [FIRST_MS // DAY + 1, FIRST_MS // DAY + 2]
            assert [t // DAY for t in at["UPSIZE_COMPLETED"] if t <= ms(END)] == [FIRST_MS // DAY + 2]
    days = {dt.datetime.fromtimestamp(e["timestamp"] / 1000, dt.UTC).date() for each in known.values() for e in each}
    assert set(DAYS) <= days


@pytest.mark.parametrize("number", [0, 1, 2])
def test_jobs_of_the_api_are_those_of_the_runs_and_say_what_audit_says(told: Story, number: int) -> None:
    workspace = told.workspaces[number]
    found = {job["job_id"]: job for job in jobs(workspace, ms(END))}
    assert set(found) == {run.job.job_id for run in workspace.runs if run.launch != "submitRun"}
    for run in workspace.runs:
        if run.launch != "submitRun":
            (task,) = (t for t in found[run.job.job_id]["settings"]["tasks"] if t["task_key"] == run.task_key)
            assert ("existing_cluster_id" in task) != run.on_job_cluster
    audit = [r for r in records(workspace) if r["serviceName"] == "jobs"]
    days = {dt.datetime.fromtimestamp(r["timestamp"] / 1000, dt.UTC).date(): [] for r in audit}
    for r in audit:
        days[dt.datetime.fromtimestamp(r["timestamp"] / 1000, dt.UTC).date()].append(r["actionName"])
    first, second, third = (set(days[day]) for day in DAYS)
    assert {"create", "submitRun", "runNow", "runTriggered", "runStart", "runSucceeded"} <= first
    assert {"update", "cancel", "runFailed"} <= second
    assert {"reset", "repairRun", "runFailed"} <= third
    (reset,) = (r for r in audit if r["actionName"] == "reset")
    said = json.loads(reset["requestParams"]["new_settings"])
    assert said == found[int(reset["requestParams"]["job_id"])]["settings"]
    (update,) = (r for r in audit if r["actionName"] == "update")
    after = found[int(update["requestParams"]["job_id"])]["settings"]
    assert json.loads(update["requestParams"]["new_settings"]).items() <= after.items()
    assert set(json.loads(update["requestParams"]["fields_to_remove"])).isdisjoint(after)


@pytest.mark.parametrize("number", [0, 1, 2])
def test_runs_overlap_on_a_shared_cluster_and_one_goes_over_midnight(told: Story, number: int) -> None:
    runs = told.workspaces[number].runs
    assert any(
        a.cluster_id == b.cluster_id and a.started_ms < b.started_ms < a.ended_ms
        for a in runs
        for b in runs
        if not a.on_job_cluster
    )
    assert any(run.started_ms < MIDNIGHTS[0] < run.ended_ms for run in runs)
    tasks: dict[int, set[str]] = defaultdict(set)
    for run in runs:
        tasks[run.parent_run_id].add(run.task_key)
    assert {"report", "publish"} in tasks.values()
    (repaired,) = (run for run in runs if run.launch == "repairRun")
    assert [r.succeeded for r in runs if r.parent_run_id == repaired.parent_run_id] == [False, True]


@pytest.mark.parametrize("number", [0, 1, 2])
def test_two_pools_are_made_and_edited_and_one_is_used(told: Story, number: int) -> None:
    workspace = told.workspaces[number]
    audit = [r for r in records(workspace) if r["serviceName"] == "instancePools"]
    days = [dt.datetime.fromtimestamp(r["timestamp"] / 1000, dt.UTC).date() for r in audit]
    assert sorted((day, r["actionName"]) for day, r in zip(days, audit, strict=True)) == [
        (DAYS[0], "create"),
        (DAYS[1], "edit"),
        (DAYS[2], "edit"),
        (DAYS[2], "edit"),
    ]
    for record in audit:
        by_id = {p["instance_pool_id"]: p for p in pools(workspace, record["timestamp"])}
        said = record["requestParams"]
        made = json.loads(record["response"]["result"] or "{}")
        pool = by_id[said.get("instance_pool_id") or made["instance_pool_id"]]
        assert said["max_capacity"] == str(pool["max_capacity"])
    of_jobs = next(c for c in workspace.clusters if c.pool_id)
    up = of_jobs.uptimes[0]
    used = {p["instance_pool_id"]: p["stats"]["used_count"] for p in pools(workspace, up.running_ms)}
    assert used[of_jobs.pool_id] == of_jobs.workers + 1  # type: ignore[index]
    body = bodies(workspace, up.running_ms)[of_jobs.cluster_id]
    assert (body["instance_pool_id"], body["driver_node_type_id"]) == (of_jobs.pool_id, workspace.node_type)


@pytest.mark.parametrize("number", [0, 1, 2])
def test_people_sign_in_in_all_ways_and_accounts_change_on_every_day(told: Story, number: int) -> None:
    workspace = told.workspaces[number]
    found = [r for r in records(workspace) if r["serviceName"] in ("accounts", "ssh")]
    days: dict[str, list[str]] = defaultdict(list)
    for r in found:
        days[f"{dt.datetime.fromtimestamp(r['timestamp'] / 1000, dt.UTC):%d}"].append(r["actionName"])
    everyday = {"login", "logout", "tokenLogin", "oidcTokenAuthorization"}
    assert all(everyday | {"add" if day != "02" else "setAdmin"} <= set(actions) for day, actions in days.items())
    kinds = {
        Cloud.AWS: {"samlLogin", "certLogin"},
        Cloud.AZURE: {"aadBrowserLogin", "aadTokenLogin"},
        Cloud.GCP: {"gcpWorkspaceBrowserLogin", "oidcBrowserLogin"},
    }[workspace.cloud]
    others = {"jwtLogin", "mfaLogin", "accountLoginCodeAuthentication", "passwordVerifyAuthentication"}
    assert kinds | others <= {r["actionName"] for r in found}
    failed = [r for r in found if r["actionName"] == "login" and r["response"]["statusCode"] == 401]
    assert {r["sourceIPAddress"] for r in failed} == {"192.0.2.66"}
    bulk = [r["requestId"] for r in found if r["actionName"] in ("add", "updateUser")]
    assert len(bulk) == len(set(bulk)) + 4
    came = [r for r in found if r["requestParams"].get("targetUserName", "").startswith("contractor@")]
    assert len({r["requestParams"].get("targetUserId") for r in came if r["actionName"] == "add"} - {None}) == 2


@pytest.mark.parametrize("number", [0, 1, 2])
def test_what_the_api_says_besides_grows_with_the_story(told: Story, number: int) -> None:
    workspace = told.workspaces[number]
    first, last = (known_at(workspace, ms(look)) for look in (LOOKS[0], LOOKS[2]))
    assert (len(first.policies), len(last.policies), len(first.tokens), len(last.tokens)) == (1, 2, 2, 3)
    assert [script["enabled"] for script in first.init_scripts] == [True, False]
    assert [script["enabled"] for script in last.init_scripts] == [True, True]
    assert len(last.instance_profiles) == (2 if workspace.cloud == Cloud.AWS else 0)
    assert {each["cluster_id"] for each in last.libraries} <= {c.cluster_id for c in workspace.clusters}
    assert not any("script" in script for script in last.init_scripts)
    assert not any("token_value" in each for each in last.tokens)


@pytest.mark.parametrize("number", [0, 1, 2])
def test_runs_of_the_api_are_those_of_the_story_and_go_on_at_the_first_look(told: Story, number: int) -> None:
    workspace = told.workspaces[number]
    for look in LOOKS:
        now = ms(look)
        found = {run["run_id"]: run for run in known_at(workspace, now).runs}
        assert set(found) == {run.parent_run_id for run in workspace.runs if run.started_ms <= now}
        for run in found.values():
            going = {r.run_id for r in workspace.runs if r.parent_run_id == run["run_id"] and r.ended_ms > now}
            assert (run["state"]["life_cycle_state"] == "RUNNING") == (run["end_time"] == 0)
            assert (run["end_time"] == 0) == bool(going & {task["run_id"] for task in run["tasks"]})
    first = known_at(workspace, ms(LOOKS[0])).runs
    assert any(run["end_time"] == 0 for run in first)
    assert all(run["repair_history"][1]["id"] for run in known_at(workspace, ms(LATER)).runs if "repair_history" in run)
