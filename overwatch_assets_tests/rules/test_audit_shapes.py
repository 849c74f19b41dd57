import datetime as dt
import json
from decimal import Decimal
from typing import Any

import pytest

from overwatch_assets.rules.audit_records import AuditRecord, audit_record
from overwatch_assets.rules.audit_shapes import Wrong, event_and_delivery, of_message, of_row, of_system

DAY = dt.date(2024, 5, 2)

DELIVERED = {
    "version": "2.0",
    "timestamp": 1714653296123,
    "sourceIPAddress": "10.1.1.1",
    "serviceName": "jobs",
    "actionName": "runSucceeded",
    "requestId": "ServiceMain-1-2-3",
    "userIdentity": {"email": "System-User"},
    "requestParams": {"jobId": "77", "runId": "9001"},
    "response": {"statusCode": 200},
}
# As Azure's documentation writes records of a diagnostic log.
HUB = {
    "resourceId": "/SUBSCRIPTIONS/1/WORKSPACES/ADB-PROD",
    "operationVersion": "1.0.0",
    "operationName": "Microsoft.Databricks/jobs/runSucceeded",
    "time": "2024-05-02T12:34:56.1239999Z",
    "category": "jobs",
    "identity": '{"email":"System-User","subjectName":null}',
    "properties": {
        "sourceIPAddress": "10.1.1.1",
        "logId": "d1a2",
        "serviceName": "jobs",
        "userAgent": None,
        "sessionId": None,
        "actionName": "runSucceeded",
        "requestId": "ServiceMain-1-2-3",
        "requestParams": '{"runId":"9001","jobId":"77"}',
        "response": '{"statusCode":200}',
    },
    "Host": "0502-1",
}
SYSTEM = {
    "version": "2.0",
    "event_time": dt.datetime(2024, 5, 2, 12, 34, 56, 123999, tzinfo=dt.UTC),
    "event_date": DAY,
    "workspace_id": 123,
    "source_ip_address": "10.1.1.1",
    "session_id": None,
    "user_identity": {"email": "System-User", "subject_name": None},
    "service_name": "jobs",
    "action_name": "runSucceeded",
    "request_id": "ServiceMain-1-2-3",
    "request_params": [("jobId", "77"), ("runId", "9001")],
    "response": {"status_code": 200, "error_message": None, "result": None},
    "audit_level": "WORKSPACE_LEVEL",
    "event_id": "ev-1",
}


def taken(record: Any) -> AuditRecord:
    found = audit_record(json.dumps(record), DAY)
    assert isinstance(found, AuditRecord)
    return found


def messages(*records: Any) -> list[Any]:
    return list(of_message(json.dumps({"records": records}).encode()))


def test_both_generations_of_an_event_hub_are_the_delivered_record() -> None:
    objects = {
        **HUB,
        "identity": {"email": "System-User"},
        "properties": {
            **HUB["properties"],  # type: ignore[dict-item]
            "requestParams": {"jobId": 77, "runId": "9001", "x": None},
            "response": {"statusCode": "200", "errorMessage": None},
        },
    }
    text = {**HUB, "properties": json.dumps(HUB["properties"])}
    for record in messages(HUB, objects, text):
        found = taken(record)
        assert found.value == taken(DELIVERED).value
        assert (found.fields["timestamp"], found.fields["version"]) == (1714653296123, "1.0.0")
        assert found.fields["category"] == "jobs"
        assert json.loads(found.delivery or "")["Host"] == "0502-1"


def test_a_row_of_the_system_table_is_the_delivered_record() -> None:
    found = taken(of_system(SYSTEM))
    assert found.value == taken(DELIVERED).value
    assert (found.fields["eventId"], found.fields["workspaceId"]) == ("ev-1", "123")
    over_a_warehouse = {
        **SYSTEM,
        "request_params": '{"jobId":"77","runId":"9001"}',
        "user_identity": '{"email":"System-User"}',
        "response": '{"status_code":200}',
    }
    assert taken(of_system(over_a_warehouse)).value == found.value


def test_a_row_of_a_table_as_json_values() -> None:
    row = {
        "a": dt.datetime(2024, 5, 2, 1, tzinfo=dt.timezone(dt.timedelta(hours=2))),
        "b": [("k", {"x": Decimal(7)}), ("l", None)],
        "c": [b"\xc3\xa9", float("nan"), Decimal("1.5")],
        "d": [],
    }
    assert of_row(row) == {
        "a": "2024-05-01T23:00:00.000000Z",
        "b": {"k": {"x": 7}, "l": None},
        "c": ["é", None, "1.5"],
        "d": [],
    }


def test_names_in_any_case_and_the_documented_one_first() -> None:
    assert event_and_delivery({"sourceIpAddress": "1", "SERVICENAME": "s"})[0] == {
        "sourceIPAddress": "1",
        "serviceName": "s",
    }
    both = {"sourceIpAddress": "1", "sourceIPAddress": "2", "unknown": 1, "nothing": None}
    assert event_and_delivery(both) == ({"sourceIPAddress": "2"}, {"sourceIpAddress": "1", "unknown": 1})


def test_parameters_are_texts_and_objects_in_them_have_one_form() -> None:
    params = {
        "a": {"y": 1, "x": None, "b": [True, {"n": None}]},
        "c": 1.5,
        "d": False,
        "e": '{"y":1, "x":null}',
        "f": None,
    }
    assert event_and_delivery({"requestParams": params})[0]["requestParams"] == {
        "a": '{"b":[true,{}],"y":1}',
        "c": "1.5",
        "d": "false",
        "e": '{"y":1, "x":null}',
    }


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "an empty message"),
        (b"\xff", "invalid UTF-8 at byte 0 of the message"),
        (b"{", "not JSON: Expecting property name enclosed in double quotes: line 1 column 2 (char 1)"),
        (b"[]", "no list of records"),
        (b'{"records":{}}', "no list of records"),
        (b'{"records":[1]}', "not a JSON object"),
        (b'{"records":[{"properties":"x"}]}', "no properties"),
    ],
)
def test_what_is_no_message(body: bytes, reason: str) -> None:
    (found,) = of_message(body)
    assert isinstance(found, Wrong)
    assert found.reason == reason


def test_a_message_without_records_has_none() -> None:
    assert messages() == []
