import http.client
import json
from collections.abc import Mapping
from typing import Any

import pytest
import requests

from overwatch_assets.sample.server import Fault, Known, SampleApi

A = "dapi-a"
CLUSTERS = {f"0502-{n:03}": {"cluster_id": f"0502-{n:03}", "cluster_name": f"c{n}"} for n in range(45)}


def get(api: SampleApi, path: str, token: str | None = A, **query: str) -> tuple[int, Any]:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    response = requests.get(f"{api.url}{path}", params=query, headers=headers, timeout=5)
    return response.status_code, response.json()


def ids(page: Mapping[str, Any]) -> list[str]:
    return [cluster["cluster_id"] for cluster in page.get("clusters", [])]


@pytest.mark.parametrize("version", ["2.0", "2.1"])
def test_list_gives_pages_of_20_until_the_token_is_empty(version: str) -> None:
    with SampleApi({A: CLUSTERS}) as api:
        path = f"/api/{version}/clusters/list"
        _, first = get(api, path)
        _, second = get(api, path, page_token=first["next_page_token"])
        _, third = get(api, path, page_token=second["next_page_token"])
        _, back = get(api, path, page_token=third["prev_page_token"])
    assert [len(ids(page)) for page in (first, second, third)] == [20, 20, 5]
    assert ids(first) + ids(second) + ids(third) == list(CLUSTERS)
    assert (first["prev_page_token"], third["next_page_token"]) == ("", "")
    assert back == second


@pytest.mark.parametrize(("asked", "given"), [("0", 20), ("1", 1), ("100", 100), ("5000", 100)])
def test_page_size_is_at_most_100(asked: str, given: int) -> None:
    clusters = {str(n): {"cluster_id": str(n)} for n in range(150)}
    with SampleApi({A: clusters}) as api:
        assert len(ids(get(api, "/api/2.1/clusters/list", page_size=asked)[1])) == given


def test_an_empty_workspace_has_no_clusters_field() -> None:
    with SampleApi({A: {}}) as api:
        assert get(api, "/api/2.1/clusters/list") == (200, {"next_page_token": "", "prev_page_token": ""})


@pytest.mark.parametrize(
    ("path", "token", "query", "status", "body"),
    [
        ("clusters/get", A, {"cluster_id": "0502-007"}, 200, {"cluster_id": "0502-007", "cluster_name": "c7"}),
        (
            "clusters/get",
            A,
            {"cluster_id": "nobody"},
            400,
            {"error_code": "INVALID_PARAMETER_VALUE", "message": "Cluster nobody does not exist"},
        ),
        (
            "clusters/get",
            A,
            {},
            400,
            {"error_code": "INVALID_PARAMETER_VALUE", "message": "Missing required field: cluster_id"},
        ),
        (
            "clusters/list",
            A,
            {"page_token": "Zm9v"},
            400,
            {"error_code": "INVALID_PARAMETER_VALUE", "message": "Invalid page token."},
        ),
        (
            "clusters/list",
            A,
            {"page_size": "many"},
            400,
            {
                "error_code": "INVALID_PARAMETER_VALUE",
                "message": "page_size must be an integer from 0 to 100, but is 'many'.",
            },
        ),
        ("clusters/list", "dapi-x", {}, 403, {"error_code": 403, "message": "Invalid access token."}),
        (
            "clusters/list",
            None,
            {},
            401,
            {
                "error_code": 401,
                "message": "Credential was not sent or was of an unsupported type for this API.",
            },
        ),
        (
            "pools/list",
            A,
            {},
            404,
            {"error_code": "ENDPOINT_NOT_FOUND", "message": "No API found for 'GET /pools/list'"},
        ),
    ],
)
def test_answers(path: str, token: str | None, query: dict[str, str], status: int, body: dict[str, Any]) -> None:
    with SampleApi({A: CLUSTERS}) as api:
        assert get(api, f"/api/2.0/{path}", token, **query) == (status, body)


def test_a_token_reads_its_own_workspace_as_it_is_at_that_time() -> None:
    hours = iter([1, 2])
    workspaces = {A: CLUSTERS, "dapi-b": lambda: {"c": {"cluster_id": "c", "start_time": next(hours)}}}
    with SampleApi(workspaces) as api:
        answers = [get(api, "/api/2.1/clusters/get", "dapi-b", cluster_id="c")[1] for _ in range(2)]
        assert get(api, "/api/2.1/clusters/get", A, cluster_id="c")[0] == 400
    assert answers == [{"cluster_id": "c", "start_time": 1}, {"cluster_id": "c", "start_time": 2}]


def test_a_fault_takes_only_the_requests_it_names() -> None:
    fault = Fault("*/clusters/get", query={"cluster_id": "0502-001"}, token=A, skip=1, times=2, status=503)
    with SampleApi({A: CLUSTERS, "dapi-b": CLUSTERS}, [fault]) as api:
        path = "/api/2.1/clusters/get"
        others = [
            get(api, path, cluster_id="0502-002")[0],
            get(api, path, "dapi-b", cluster_id="0502-001")[0],
            get(api, "/api/2.1/clusters/list", cluster_id="0502-001")[0],
        ]
        named = [get(api, path, cluster_id="0502-001")[0] for _ in range(4)]
        assert (api.count("*/clusters/get"), api.count("*/clusters/list")) == (6, 1)
    assert others == [200, 200, 200]
    assert named == [200, 503, 503, 200]


def test_a_fault_has_databricks_body_and_its_own_headers() -> None:
    with SampleApi({A: CLUSTERS}) as api:
        api.add_fault(Fault(status=429, headers={"Retry-After": "7"}))
        response = requests.get(f"{api.url}/api/2.1/clusters/list", timeout=5)
    assert (response.status_code, response.headers["Retry-After"]) == (429, "7")
    assert response.json()["error_code"] == "REQUEST_LIMIT_EXCEEDED"


def test_a_fault_may_send_text_or_hang_up() -> None:
    with SampleApi({}, [Fault(status=502, body="<pre>bad gateway</pre>"), Fault(hang_up=True)]) as api:
        response = requests.get(api.url, timeout=5)
        assert (response.status_code, response.text) == (502, "<pre>bad gateway</pre>")
        with pytest.raises(requests.ConnectionError):
            requests.get(api.url, timeout=5)


def test_a_post_is_answered_and_its_connection_stays_usable() -> None:
    with SampleApi({A: CLUSTERS}) as api:
        connection = http.client.HTTPConnection("127.0.0.1", api.port, timeout=5)
        headers = {"Authorization": "Bearer dapi-a"}
        connection.request("POST", "/api/2.0/clusters/get", body='{"cluster_id": "0502-001"}', headers=headers)
        assert json.load(connection.getresponse())["message"] == "No API found for 'POST /clusters/get'"
        connection.request("GET", "/api/2.0/clusters/get?cluster_id=0502-001", headers=headers)
        assert json.load(connection.getresponse())["cluster_name"] == "c1"
        connection.close()


def test_closing_does_not_wait_for_a_delayed_answer() -> None:
    with SampleApi({}, [Fault(delay_s=60)]) as api, pytest.raises(requests.Timeout):
        requests.get(api.url, timeout=0.1)


def post(api: SampleApi, **body: Any) -> tuple[int, Any]:
    headers = {"Authorization": f"Bearer {A}"}
    response = requests.post(f"{api.url}/api/2.1/clusters/events", json=body, headers=headers, timeout=5)
    return response.status_code, response.json()


def jobs(*numbers: int) -> list[dict[str, Any]]:
    return [{"job_id": n, "created_time": 100 + n, "settings": {"name": str(n), "tasks": [{}]}} for n in numbers]


def test_jobs_come_25_a_page_the_newest_first_and_without_tasks_unless_asked_for() -> None:
    path = "/api/2.1/jobs/list"
    with SampleApi({A: Known(jobs=jobs(*range(1, 31)))}) as api:
        _, first = get(api, path, limit="25", expand_tasks="true")
        _, second = get(api, path, limit="25", page_token=first["next_page_token"])
        assert get(api, path, limit="26")[0] == 400
        assert get(api, path, page_token="Zm9v")[1]["message"] == "Invalid page token."
    assert [job["job_id"] for job in first["jobs"]] == list(range(30, 5, -1))
    assert (first["has_more"], second["has_more"], "next_page_token" in second) == (True, False, False)
    assert first["jobs"][0]["settings"] == {"name": "30", "tasks": [{}]}
    assert second["jobs"][0] == {"job_id": 5, "created_time": 105, "settings": {"name": "5"}}


def test_a_token_stays_good_when_jobs_are_deleted() -> None:
    known = [Known(jobs=jobs(*range(1, 31))), Known(jobs=jobs(1, 2, 3, 4))]
    with SampleApi({A: lambda: known.pop(0)}) as api:
        _, first = get(api, "/api/2.1/jobs/list", limit="25")
        _, second = get(api, "/api/2.1/jobs/list", limit="25", page_token=first["next_page_token"])
    assert [job["job_id"] for job in second["jobs"]] == [4, 3, 2, 1]


def test_no_jobs_and_no_pools_have_no_field() -> None:
    with SampleApi({A: Known()}) as api:
        assert get(api, "/api/2.1/jobs/list") == (200, {"has_more": False})
        assert get(api, "/api/2.0/instance-pools/list") == (200, {})


def test_events_come_by_page_and_the_next_page_asks_for_the_rest() -> None:
    events = [{"cluster_id": "c", "timestamp": n, "type": "RUNNING"} for n in (5, 1, 3, 2, 4, 9)]
    asked = {"cluster_id": "c", "start_time": 2, "end_time": 9, "order": "ASC", "limit": 3}
    with SampleApi({A: Known(events={"c": events})}) as api:
        status, first = post(api, **asked)
        _, second = post(api, **first["next_page"])
        _, newest = post(api, cluster_id="c", limit=1)
    assert (status, [e["timestamp"] for e in first["events"]], first["total_count"]) == (200, [2, 3, 4], 4)
    assert first["next_page"] == asked | {"offset": 3}
    assert second == {"events": [events[0]], "total_count": 4}
    assert newest["events"] == [events[-1]]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({}, "Missing required field: cluster_id"),
        ({"cluster_id": "nobody"}, "Cluster nobody does not exist"),
        ({"cluster_id": "0502-001", "limit": 501}, "limit must be from 1 to 500, but is 501."),
        ({"cluster_id": "0502-001", "offset": "x"}, "start_time, end_time, offset and limit must be integers."),
    ],
)
def test_a_request_for_events_that_cannot_be_answered(body: dict[str, Any], message: str) -> None:
    with SampleApi({A: CLUSTERS}) as api:
        assert post(api, **body) == (400, {"error_code": "INVALID_PARAMETER_VALUE", "message": message})
        assert post(api, cluster_id="0502-001") == (200, {"total_count": 0})


def test_a_fault_may_name_a_field_of_the_body() -> None:
    with SampleApi({A: CLUSTERS}, [Fault("*/clusters/events", {"cluster_id": "0502-001"}, status=403)]) as api:
        assert [post(api, cluster_id=i)[0] for i in ("0502-002", "0502-001", "0502-001")] == [200, 403, 200]


def runs(*numbers: int, **more: Any) -> list[dict[str, Any]]:
    state = {"life_cycle_state": "TERMINATED"}
    return [{"run_id": n, "start_time": 100 + n, "state": state, "tasks": [{}], **more} for n in numbers]


def test_runs_come_25_a_page_the_newest_first_of_a_time_with_both_its_ends() -> None:
    path = "/api/2.1/jobs/runs/list"
    with SampleApi({A: Known(runs=runs(*range(1, 41)))}) as api:
        asked = {"limit": "25", "start_time_from": "103", "start_time_to": "138"}
        _, first = get(api, path, **asked, expand_tasks="true")
        _, second = get(api, path, **asked, page_token=first["next_page_token"])
        assert len(get(api, path)[1]["runs"]) == 20
        assert len(get(api, path, limit="0")[1]["runs"]) == 25
        assert get(api, path, limit="26")[0] == 400
        assert get(api, path, page_token="Zm9v")[0] == 400
        assert get(api, path, start_time_from="200") == (200, {"has_more": False})
        assert get(api, path, active_only="true") == (200, {"has_more": False})
    assert [run["run_id"] for run in first["runs"]] == list(range(38, 13, -1))
    assert [run["run_id"] for run in second["runs"]] == list(range(13, 2, -1))
    assert ("tasks" in first["runs"][0], "tasks" in second["runs"][0]) == (True, False)
    assert (first["has_more"], second["has_more"], "next_page_token" in second) == (True, False, False)


def test_a_run_is_described_or_does_not_exist() -> None:
    path = "/api/2.1/jobs/runs/get"
    with SampleApi({A: Known(runs=runs(7))}) as api:
        assert get(api, path, run_id="7") == (200, runs(7)[0])
        assert get(api, path, run_id="8")[1]["message"] == "Run 8 does not exist."
        assert get(api, path)[1]["message"] == "Missing required field: run_id"


@pytest.mark.parametrize(
    ("path", "field", "known", "empty"),
    [
        ("libraries/all-cluster-statuses", "statuses", "libraries", {}),
        ("instance-profiles/list", "instance_profiles", "instance_profiles", {}),
        ("global-init-scripts", "scripts", "init_scripts", {}),
        ("token-management/tokens", "token_infos", "tokens", {}),
        ("policies/clusters/list", "policies", "policies", {"total_count": 0}),
    ],
)
def test_small_lists_come_whole_and_without_anything_have_no_field(
    path: str, field: str, known: str, empty: dict[str, Any]
) -> None:
    given: Any = {known: [{"n": n} for n in range(200)]}
    with SampleApi({A: Known(**given), "dapi-b": Known()}) as api:
        assert get(api, f"/api/2.0/{path}")[1][field] == given[known]
        assert get(api, f"/api/2.0/{path}", "dapi-b") == (200, empty)


def test_who_is_no_admin_sees_little_of_their_own_tokens_and_nothing_of_others() -> None:
    tokens = [{"token_id": n, "comment": n, "created_by_username": f"{n}@x", "owner_id": 1} for n in "ab"]
    with SampleApi({A: Known(tokens=tokens, caller="b@x", is_admin=False)}) as api:
        assert get(api, "/api/2.0/token-management/tokens")[0] == 403
        assert get(api, "/api/2.0/token/list") == (200, {"token_infos": [{"token_id": "b", "comment": "b"}]})


def test_queries_come_by_their_start_in_pages_whose_token_holds_the_time() -> None:
    path, name = "/api/2.0/sql/history/queries", "filter_by.query_start_time_range"
    told = [{"query_id": f"q{n}", "query_start_time_ms": n, "metrics": {"read_bytes": n}} for n in range(300)]
    with SampleApi({A: Known(queries=told)}) as api:
        asked = f"?{name}.start_time_ms=50&{name}.end_time_ms=249"
        status, first = get(api, f"{path}{asked}&max_results=150&include_metrics=true")
        assert (status, first["has_next_page"], len(first["res"])) == (200, True, 150)
        assert first["res"][0] == told[249]
        _, last = get(api, f"{path}?page_token={first['next_page_token']}&max_results=150")
        assert (last["has_next_page"], last["res"][-1]) == (False, {"query_id": "q50", "query_start_time_ms": 50})
        assert "next_page_token" not in last
        _, some = get(api, path)
        assert len(some["res"]) == 100
        for wrong in ("?max_results=1000", "?max_results=0", "?page_token=x", f"{asked}&page_token=x"):
            assert get(api, f"{path}{wrong}")[0] == 400
