import datetime as dt
import json
from typing import Any

import pytest

from overwatch_assets.rules.audit_records import ABOUT, AuditRecord, audit_record, plainly_a_record

DAY = dt.date(2024, 5, 2)
# The example of a delivered record in Overwatch's documentation of its source.
CREATE = {
    "version": "2.0",
    "auditLevel": "WORKSPACE_LEVEL",
    "timestamp": 1714653296123,
    "orgId": "1234567890123456",
    "sourceIPAddress": "10.20.30.40",
    "userAgent": "Mozilla/5.0",
    "sessionId": "e3f1c0",
    "userIdentity": {"email": "ana@example.com"},
    "serviceName": "clusters",
    "actionName": "create",
    "requestId": "0b9d1f2e-7a1c-4b1f-9c55-f6a1",
    "requestParams": {
        "cluster_name": "etl-small",
        "num_workers": "2",
        "autotermination_minutes": "30",
        "cluster_log_conf": '{"dbfs":{"destination":"dbfs:/cluster-logs"}}',
        "start_cluster": "true",
        "orgId": "1",
    },
    "response": {"statusCode": 200, "errorMessage": None, "result": '{"cluster_id":"0502-123456-abcd123"}'},
}


def record(**changes: Any) -> AuditRecord:
    found = audit_record(json.dumps(CREATE | changes), DAY)
    assert isinstance(found, AuditRecord)
    return found


def params(action: str, **given: Any) -> dict[str, Any]:
    return dict(record(actionName=action, requestParams=given).fields["requestParams"])


def test_a_delivered_record() -> None:
    found = record()
    assert found.dropped == 0
    assert json.loads(found.value) == {
        name: CREATE[name]
        for name in (
            *("timestamp", "sourceIPAddress", "userAgent", "sessionId", "userIdentity", "serviceName", "actionName"),
            *("requestId", "requestParams"),
        )
    } | {"response": {"statusCode": 200, "result": '{"cluster_id":"0502-123456-abcd123"}'}}
    assert found.value == json.dumps(json.loads(found.value), sort_keys=True, separators=(",", ":"))
    assert found.delivery == '{"auditLevel":"WORKSPACE_LEVEL","orgId":"1234567890123456","version":"2.0"}'
    fields = found.fields
    assert fields["requestParams"] == {
        "cluster_name": "etl-small",
        "num_workers": 2,
        "autotermination_minutes": 30,
        "cluster_log_conf": '{"dbfs":{"destination":"dbfs:/cluster-logs"}}',
        "start_cluster": True,
    }
    assert fields["response"] == {"statusCode": 200, "result": '{"cluster_id":"0502-123456-abcd123"}'}
    assert (fields["version"], fields["auditLevel"]) == ("2.0", "WORKSPACE_LEVEL")
    assert (fields["timestamp"], fields["userIdentity"]) == (1714653296123, {"email": "ana@example.com"})
    assert fields["sessionId"] == "e3f1c0"


@pytest.mark.parametrize(
    ("given", "ms"),
    [
        ("1714653296123", 1714653296123),
        ("2024-05-02T12:34:56.123Z", 1714653296123),
        (None, None),
        ("yesterday", None),
        (True, None),
    ],
)
def test_times(given: Any, ms: int | None) -> None:
    assert record(timestamp=given).fields["timestamp"] == ms


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (-1, "timestamp not after 1970"),
        ("-1714653296123", "timestamp not after 1970"),
        (0, "timestamp not after 1970"),
        (4102444800000, "timestamp after the day of its delivery"),
        ("2100-01-01T00:00:00.000Z", "timestamp after the day of its delivery"),
        (1714653296123000, "timestamp after the day of its delivery"),
        (1714780800000, "timestamp after the day of its delivery"),
        (1714780799999, None),
        (None, None),
    ],
)
def test_a_time_that_cannot_be(given: Any, reason: str | None) -> None:
    """Delivered on 2 May; clocks may differ, but by no more than a day."""
    found = audit_record(json.dumps(CREATE | {"timestamp": given}), DAY)
    assert (found if isinstance(found, str) else None) == reason


@pytest.mark.parametrize(
    "line",
    [
        json.dumps(CREATE),
        *(json.dumps(CREATE | {"timestamp": at}) for at in (None, 0, -1, 1714780799999, 1714780800000, True, 1.5, "1")),
        *(json.dumps(CREATE | {"serviceName": name}) for name in (None, " ", 7, "\ud800")),
        *(json.dumps(CREATE | {"requestParams": said}) for said in ("{}", "[]", "junk", 7, None, '{"a":1}')),
        *(json.dumps(CREATE | {"requestparams": said, "requestParams": None}) for said in ("junk", {})),
        *(json.dumps(CREATE | {"response": {"result": said}}) for said in ("junk", "", None, {"cluster_id": "c"})),
        *("x", "[]", "{}", "NaN", json.dumps(CREATE) + "x", '{"a":' * 300 + "1" + "}" * 300),
        *(
            f'{{"serviceName":"a","actionName":"b","timestamp":1,"x":{x}}}'
            for x in ("NaN", "1e999", "[" * 999, "9" * 5000)
        ),
    ],
)
def test_what_is_plainly_a_record_is_one(line: str) -> None:
    found = audit_record(line, DAY)
    assert not plainly_a_record(line, DAY) or (isinstance(found, AuditRecord) and not found.unread)
    assert plainly_a_record(json.dumps(CREATE), DAY)


@pytest.mark.parametrize(
    ("said", "unread"),
    [
        ({}, ()),
        ({"requestParams": " ", "response": None, "userIdentity": []}, ()),
        (
            {"requestParams": '{"cut":', "response": "gateway timeout", "userIdentity": 7},
            ("userIdentity", "requestParams", "response"),
        ),
        ({"timestamp": "yesterday"}, ("timestamp",)),
        ({"timestamp": None}, ()),
        ({"response": {"statusCode": 200, "result": '{"cluster_id":'}}, ("response.result",)),
        ({"response": {"statusCode": 400, "result": "no such type"}}, ()),
        ({"response": {"statusCode": 200, "result": ""}}, ()),
        ({"response": {"statusCode": 200, "result": "done"}, "actionName": "start"}, ()),
        ({"response": {"statusCode": 200, "result": "done"}, "serviceName": "workspace"}, ()),
    ],
)
def test_what_is_there_but_can_not_be_read_is_named(said: dict[str, Any], unread: tuple[str, ...]) -> None:
    assert record(**said).unread == unread


def test_a_record_without_a_time_needs_the_day_of_its_delivery() -> None:
    line = json.dumps(CREATE | {"timestamp": None})
    assert audit_record(line) == "no timestamp, and no day of its delivery"
    assert isinstance(audit_record(line, DAY), AuditRecord)


def test_objects_may_be_text_and_texts_objects() -> None:
    found = record(
        requestParams='{"jobId":"77","new_settings":{"name":"x"}}',
        response='{"statusCode":"200","result":{"a":1}}',
        sourceIpAddress="1.2.3.4",
        sourceIPAddress=None,
    ).fields
    assert found["requestParams"] == {"jobId": 77, "new_settings": '{"name":"x"}'}
    assert found["response"] == {"statusCode": 200, "result": '{"a":1}'}
    assert found["sourceIPAddress"] == "1.2.3.4"  # a null is as good as nothing
    for nothing in (None, {}, "{}", []):
        assert record(requestParams=nothing).fields["requestParams"] is None
        assert record(requestParams=nothing).value == record(requestParams=None).value
    assert record(requestParams="junk").fields["requestParams"] is None
    assert json.loads(record(requestParams="junk").value)["requestParams"] == "junk"


def test_parameters_that_differ_in_case_only() -> None:
    both = {"DataSourceId": "C", "dataSourceId": "l", "DashboardId": "C", "dashboardId": "l", "AlertId": "C"}
    assert params("executeFastQuery", **both) == {"dataSourceId": "C", "dashboardId": "l", "alertId": None}
    assert params("executeAdhocQuery", **both) == {"dataSourceId": "l", "dashboardId": "l", "alertId": None}
    assert params("createRefreshSchedule", **both) == {"dataSourceId": None, "dashboardId": "C", "alertId": "C"}
    assert params("other", ClusterId="C", clusterId="l") == {"clusterId": "l"}
    assert params("other", ClusterId="C") == {"clusterId": "C"}


def test_the_text_of_all_parameters_does_not_depend_on_their_order() -> None:
    assert record(requestParams={"b": 1, "a": "x"}).params_text == '{"a":"x","b":"1"}'
    assert record(requestParams={"a": "x", "b": "1"}).params_text == '{"a":"x","b":"1"}'
    assert record(requestParams=None).params_text is None


def test_secrets_are_cut_from_parameters_response_and_line() -> None:
    found = record(
        requestParams={"token": "hunter2", "publicKey": "k"}, response={"result": '{"token_value":"hunter2"}'}
    )
    assert found.dropped == 2
    assert found.fields["requestParams"] == {"publicKey": "k"}
    assert "hunter2" not in found.value + str(found.params_text) + str(found.fields)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("x", "not JSON: Expecting value: line 1 column 1 (char 0)"),
        ('{"serviceName":"a","actionName":NaN}', "not JSON: NaN is no JSON value"),
        ('"text"', "not a JSON object"),
        ('{"actionName":"a"}', "no serviceName"),
        ('{"serviceName":" ","actionName":"a"}', "no serviceName"),
        ('{"serviceName":"a","actionName":null}', "no actionName"),
    ],
)
def test_lines_that_are_no_records(line: str, reason: str) -> None:
    assert audit_record(line) == reason


@pytest.mark.parametrize(
    ("service", "action", "given", "result", "about"),
    [
        ("clusters", "create", {"cluster_name": "a"}, {"cluster_id": "c1"}, {"event_cluster_id": "c1"}),
        ("clusters", "create", {"cluster_name": "a"}, None, {}),
        ("clusters", "edit", {"cluster_id": "c1"}, None, {"event_cluster_id": "c1"}),
        ("clusters", "startResult", {"clusterId": "c1"}, None, {"event_cluster_id": "c1"}),
        ("instancePools", "create", {}, {"instance_pool_id": "p1"}, {"event_pool_id": "p1"}),
        ("instancePools", "delete", {"instance_pool_id": "p1"}, None, {"event_pool_id": "p1"}),
        ("jobs", "create", {"name": "j"}, {"job_id": 7}, {"event_job_id": 7}),
        ("jobs", "changeJobAcl", {"resourceId": "7"}, None, {"event_job_id": 7}),
        ("jobs", "runNow", {"job_id": "7"}, {"run_id": 70}, {"event_job_id": 7, "event_run_id": 70}),
        ("jobs", "submitRun", {"run_name": "r"}, {"run_id": 70}, {"event_run_id": 70}),
        ("jobs", "runTriggered", {"jobId": "7", "runId": "70"}, None, {"event_job_id": 7, "event_run_id": 70}),
        (
            "jobs",
            "runStart",
            {"jobId": "7", "runId": "71", "multitaskParentRunId": "70"},
            None,
            {"event_job_id": 7, "event_run_id": 70},
        ),
        ("jobs", "cancel", {"run_id": "71"}, None, {"event_run_id": 71}),
        ("jobs", "repairRun", {"run_id": "70"}, {"repair_id": 5}, {"event_run_id": 70}),
        ("notebook", "runCommand", {"clusterId": "c1"}, None, {"event_command_cluster_id": "c1"}),
        ("notebook", "runCommand", {"commandId": "1"}, None, {"event_command_cluster_id": ""}),
        ("notebook", "attachNotebook", {"clusterId": "c1"}, None, {}),
        ("databrickssql", "createWarehouse", {"name": "w"}, {"id": "w1"}, {"event_warehouse_id": "w1"}),
        ("databrickssql", "createEndpoint", {"name": "w"}, {"id": "w1"}, {"event_warehouse_id": "w1"}),
        ("databrickssql", "editEndpoint", {"id": "w1"}, {"id": "other"}, {"event_warehouse_id": "w1"}),
        ("databrickssql", "deleteWarehouse", {"id": "w1"}, None, {"event_warehouse_id": "w1"}),
        ("databrickssql", "stopWarehouse", {"id": "w1"}, None, {"event_warehouse_id": "w1"}),
        ("databrickssql", "createQuery", {"id": "q1"}, None, {}),
    ],
)
def test_what_a_record_is_about(
    service: str, action: str, given: dict[str, Any], result: dict[str, Any] | None, about: dict[str, Any]
) -> None:
    answer = {"statusCode": 200, "result": None if result is None else json.dumps(result)}
    found = record(serviceName=service, actionName=action, requestParams=given, response=answer).fields
    assert {name: found[name] for name, _, _ in ABOUT if found.get(name) is not None} == about


@pytest.mark.parametrize(
    ("said", "principal"),
    [
        ({"targetUserName": " Ann@X ", "targetUserId": "7", "targetGroupName": "g"}, "ann@x"),
        ({"targetUserId": "7", "targetGroupName": "g"}, "7"),
        ({"targetUserName": "", "targetGroupName": "G", "targetGroupId": "1"}, "G"),
        ({"targetGroupId": "1"}, "1"),
        ({}, "?"),
    ],
)
def test_whom_a_change_of_accounts_is_about(said: dict[str, str], principal: str) -> None:
    assert record(serviceName="accounts", actionName="add", requestParams=said).fields["event_principal"] == principal
    login = record(serviceName="accounts", actionName="login", requestParams=said)
    assert "event_principal" not in login.fields
