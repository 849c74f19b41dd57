import datetime as dt
import ipaddress
import json
import logging
import re
import ssl
import subprocess
import sys
import time
import traceback
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from dagster_databricks import DatabricksClientResource
from databricks.sdk import WorkspaceClient

from overwatch_assets import __version__
from overwatch_assets.errors import SourceError
from overwatch_assets.sample.server import Fault, Known, SampleApi
from overwatch_assets.sources.rest import ApiSettings, RateLimiter, Rest
from overwatch_assets.sources.workspace_api import ApiFailure, EventsRead, Span, WorkspaceApi

TOKEN = "dapi-secret-4711"
LIST = "/api/2.1/clusters/list"
GET = "/api/2.1/clusters/get"
FAST = ApiSettings(requests_per_second=1000, request_seconds=5, api_waiting_seconds=5)
IMPATIENT = ApiSettings(requests_per_second=1000, request_seconds=5, api_waiting_seconds=0.5)
HURRIED = ApiSettings(requests_per_second=1000, request_seconds=0.5, api_waiting_seconds=1)


def clusters(count: int) -> dict[str, dict[str, Any]]:
    return {
        f"0502-{n:03}": {"cluster_id": f"0502-{n:03}", "state": "RUNNING", "new_field": {"n": n}} for n in range(count)
    }


def connect(host: str, settings: ApiSettings = FAST, token: str = TOKEN) -> WorkspaceApi:
    return WorkspaceApi.with_token(
        host, token, workspace="sales (123)", secret="environment SALES_PAT", settings=settings
    )


def listed(server: SampleApi, settings: ApiSettings = FAST) -> list[dict[str, Any]]:
    with connect(server.url, settings) as api:
        return list(api.list_clusters())


def got(server: SampleApi, ids: list[str], settings: ApiSettings = FAST) -> list[dict[str, Any] | ApiFailure]:
    with connect(server.url, settings) as api:
        return list(api.get_clusters(ids))


def whole_chain(error: BaseException | None) -> str:
    """Return all that a log or Dagster might print of an error: also causes and contexts that Python would hide."""
    texts = []
    while error is not None:
        texts += traceback.format_exception_only(error)
        error = error.__cause__ or error.__context__
    return "".join(texts)


def sentence(server: SampleApi, settings: ApiSettings = FAST) -> str:
    """Return the message that a failing list ends with, which names the workspace and never the token."""
    with pytest.raises(SourceError) as raised:
        listed(server, settings)
    assert str(raised.value).startswith(f"Workspace sales (123) ({server.url}) did not answer {LIST}")
    assert TOKEN not in whole_chain(raised.value)
    return str(raised.value).removeprefix(f"Workspace sales (123) ({server.url}) did not answer {LIST}").strip()


def test_250_clusters_come_in_three_pages_with_their_unknown_fields() -> None:
    with SampleApi({TOKEN: clusters(250)}) as server:
        assert listed(server) == list(clusters(250).values())
        assert server.count("*") == 3
        user_agent = server.received[0].headers["user-agent"]
    assert user_agent.startswith(f"overwatch-assets/{__version__} databricks-sdk-py/")
    assert "auth/pat" in user_agent


def test_a_workspace_without_clusters_gives_none() -> None:
    with SampleApi({TOKEN: {}}) as server:
        assert listed(server) == []
        assert got(server, []) == []


def test_429_between_pages_is_waited_for_and_leaves_no_row() -> None:
    storm = Fault(LIST, skip=1, status=429, headers={"Retry-After": "1"})
    with SampleApi({TOKEN: clusters(150)}, [storm]) as server:
        began = time.monotonic()
        assert listed(server) == list(clusters(150).values())
        assert time.monotonic() - began >= 1
        assert server.count(LIST) == 3


def test_429_for_one_request_holds_back_the_whole_workspace() -> None:
    storm = Fault(GET, status=429, headers={"Retry-After": "1"})
    with SampleApi({TOKEN: clusters(1)}, [storm]) as server, connect(server.url) as api, connect(server.url) as other:
        answers = api.get_clusters(["0502-000"])
        with ThreadPoolExecutor(1) as pool:
            first = pool.submit(next, answers)
            while api._rest._limiter.reserve() == 0 and not first.done():  # until the 429 has arrived
                time.sleep(0.01)
            began = time.monotonic()
            assert len(list(other.list_clusters())) == 1
            assert time.monotonic() - began > 0.4
            assert first.result() == clusters(1)["0502-000"]
        answers.close()


def test_a_429_storm_ends_within_the_waiting_time() -> None:
    with SampleApi({TOKEN: clusters(30)}, [Fault(times=25, status=429, headers={"Retry-After": "0"})]) as server:
        assert got(server, list(clusters(30))) == list(clusters(30).values())
        assert server.count(GET) == 55


def test_a_429_storm_without_end_is_one_sentence() -> None:
    with SampleApi({TOKEN: {}}, [Fault(times=None, status=429, headers={"Retry-After": "0"})]) as server:
        began = time.monotonic()
        assert sentence(server, IMPATIENT) == (
            "within 0.5 s (HTTP 429 REQUEST_LIMIT_EXCEEDED: The request rate limit of this workspace is exceeded): "
            "load it again later."
        )
        assert time.monotonic() - began < 3
        assert server.count(LIST) > 1


def test_a_wait_longer_than_the_waiting_time_is_not_begun() -> None:
    with SampleApi({TOKEN: {}}, [Fault(times=None, status=503, headers={"Retry-After": "3600"})]) as server:
        assert sentence(server) == (
            "within 5 s (HTTP 503 TEMPORARILY_UNAVAILABLE: The service is temporarily unavailable, "
            "asking to wait 3600 s): load it again later."
        )
        assert server.count(LIST) == 1


@pytest.mark.parametrize(
    "fault",
    [
        Fault(status=500),
        Fault(status=502, body="<html>bad gateway</html>"),
        Fault(status=503, headers={"Retry-After": "0"}),
        Fault(status=504),
        Fault(status=429, headers={"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT"}),
        Fault(status=400, body={"error_code": "BAD_REQUEST", "message": "Unknown worker environment"}),
        Fault(hang_up=True),
    ],
    ids=["500", "502", "503", "504", "429 with a date", "what the SDK calls transient", "reset"],
)
def test_a_passing_failure_is_retried(fault: Fault) -> None:
    with SampleApi({TOKEN: clusters(2)}, [fault]) as server:
        assert listed(server) == list(clusters(2).values())
        assert server.count(LIST) == 2


def test_a_time_out_is_retried() -> None:
    settings = ApiSettings(requests_per_second=1000, request_seconds=0.3, api_waiting_seconds=5)
    with SampleApi({TOKEN: clusters(2)}, [Fault(delay_s=30)]) as server:
        assert listed(server, settings) == list(clusters(2).values())


def test_time_outs_without_end_are_one_sentence() -> None:
    with SampleApi({TOKEN: {}}, [Fault(times=None, delay_s=30)]) as server:
        assert sentence(server, HURRIED) == "within 1 s (no answer within 0.5 s): load it again later."


def test_403_for_one_cluster_is_its_own_failure() -> None:
    denied = {"error_code": "PERMISSION_DENIED", "message": "u1 has no Attach permission on 0502-003, token or not."}
    fault = Fault(GET, query={"cluster_id": "0502-003"}, status=403, body=denied, times=None)
    with SampleApi({TOKEN: clusters(10)}, [fault]) as server:
        answers = got(server, [*clusters(10), "nobody", "0502-001"])
        assert server.count(GET) == 11  # the repeated id is asked once
    bodies = clusters(10)
    del bodies["0502-003"]
    assert [answer for answer in answers if isinstance(answer, dict)] == list(bodies.values())
    assert answers[3] == ApiFailure(
        object_id="0502-003",
        http_code=403,
        error_code="PERMISSION_DENIED",
        message="u1 has no Attach permission on 0502-003, token or not.",
        raw_response=json.dumps(denied),
    )
    assert answers[10] == ApiFailure(
        object_id="nobody",
        http_code=400,
        error_code="INVALID_PARAMETER_VALUE",
        message="Cluster nobody does not exist",
        raw_response='{"error_code": "INVALID_PARAMETER_VALUE", "message": "Cluster nobody does not exist"}',
    )


@pytest.mark.parametrize(
    ("fault", "http_code", "error_code", "message"),
    [
        (Fault(status=500), 500, "INTERNAL_ERROR", "Internal error."),
        (Fault(status=502, body="<html>bad gateway</html>"), 502, "", "Bad Gateway"),
        (Fault(delay_s=30), None, "", "no answer within 0.5 s"),
        (
            Fault(status=200, body={"state": "RUNNING"}),
            200,
            "",
            "the answer of /api/2.1/clusters/get has no cluster_id",
        ),
    ],
    ids=["500", "502", "time-out", "no cluster"],
)
def test_one_cluster_that_never_gets_a_good_answer_is_its_own_failure(
    fault: Fault, http_code: int | None, error_code: str, message: str
) -> None:
    only = Fault(
        GET, {"cluster_id": "0502-001"}, times=None, status=fault.status, body=fault.body, delay_s=fault.delay_s
    )
    with SampleApi({TOKEN: clusters(3)}, [only]) as server:
        before, failure, after = got(server, list(clusters(3)), HURRIED)
    assert (before, after) == (clusters(3)["0502-000"], clusters(3)["0502-002"])
    assert isinstance(failure, ApiFailure)
    assert (failure.object_id, failure.http_code) == ("0502-001", http_code)
    assert (failure.error_code, failure.message) == (error_code, message)


def test_a_storm_over_all_clusters_fails_the_load_soon() -> None:
    with SampleApi({TOKEN: clusters(100)}, [Fault(GET, skip=10, times=None, status=503)]) as server:
        began = time.monotonic()
        with pytest.raises(SourceError, match=r"did not answer /api/2.1/clusters/get within 0.5 s \(HTTP 503 "):
            got(server, list(clusters(100)), IMPATIENT)
        assert time.monotonic() - began < 5


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (
            Fault(times=None, status=401, body={"error_code": 401, "message": "Token is expired."}),
            "(HTTP 401 Token is expired): renew the token that environment SALES_PAT refers to.",
        ),
        (
            Fault(times=None, status=403, body={"error_code": 403, "message": "Invalid access token."}),
            "(HTTP 403 Invalid access token): renew the token that environment SALES_PAT refers to.",
        ),
        (
            Fault(times=None, status=403, body={"error_code": "PERMISSION_DENIED", "message": "No."}),
            (
                "(HTTP 403 PERMISSION_DENIED: No): give the owner of the token that environment SALES_PAT refers to "
                "this right on the clusters."
            ),
        ),
        (Fault(times=None, status=404, body="<html>nginx</html>"), "(HTTP 404 Not Found): check api_url."),
        (
            Fault(times=None, status=200, body="<html>login</html>"),
            "(an answer that is no JSON object): check api_url.",
        ),
        (Fault(times=None, status=200, body="17"), "(an answer that is no JSON object): check api_url."),
        (Fault(times=None, status=200, body="[17]"), "(an answer that is no JSON object): check api_url."),
        (Fault(times=None, status=204, body=""), "(an answer that is no JSON object): check api_url."),
        (
            Fault(times=None, status=400, body={"error_code": "MALFORMED_REQUEST", "message": f"Why {TOKEN}?"}),
            "(HTTP 400 MALFORMED_REQUEST: Why ***?): load it again later.",
        ),
    ],
    ids=["401", "403 token", "403 right", "404", "login page", "number", "list", "204", "400"],
)
def test_a_failure_of_the_workspace_is_one_sentence_at_once(fault: Fault, expected: str) -> None:
    with SampleApi({TOKEN: {}}, [fault]) as server:
        assert sentence(server) == expected
        assert server.count(LIST) == 1


@pytest.mark.parametrize("status", [401, 403])
def test_a_token_that_expires_during_the_gets_fails_the_load(status: int) -> None:
    expired = Fault(GET, skip=20, times=None, status=status, body={"error_code": status, "message": "token expired"})
    answers = []
    with SampleApi({TOKEN: clusters(500)}, [expired]) as server, connect(server.url) as api:
        with pytest.raises(SourceError, match="renew the token that environment SALES_PAT refers to") as raised:
            answers.extend(api.get_clusters(clusters(500)))
        assert server.count(GET) < 60
    assert TOKEN not in whole_chain(raised.value)


@pytest.mark.parametrize("body", [{"items": []}, {"clusters": None}])
def test_an_answer_without_clusters_is_no_empty_workspace(body: dict[str, Any]) -> None:
    with (
        SampleApi({TOKEN: {}}, [Fault(status=200, body=body)]) as server,
        pytest.raises(SourceError, match="without 'clusters': check api_url"),
    ):
        listed(server)


def test_a_page_that_leads_to_itself_ends() -> None:
    page = {"clusters": [{"cluster_id": "a"}], "next_page_token": "x"}
    with (
        SampleApi({TOKEN: {}}, [Fault(times=None, status=200, body=page)]) as server,
        pytest.raises(SourceError, match="with the same page again"),
    ):
        listed(server)


def test_the_budget_ends_a_load_that_would_never_end() -> None:
    page = {"clusters": [{"cluster_id": "a"}], "next_page_token": "x"}
    settings = ApiSettings(requests_per_second=1000, budget_seconds=0.3)
    faults = [Fault(delay_s=0.05, status=200, body=page | {"next_page_token": str(n)}) for n in range(100)]
    with (
        SampleApi({TOKEN: {}}, faults) as server,
        pytest.raises(SourceError, match=r"was not read to its end within 0.3 s"),
    ):
        listed(server, settings)


def test_a_host_that_does_not_exist() -> None:
    with (
        connect("https://workspace.invalid", IMPATIENT) as api,
        pytest.raises(
            SourceError, match=r"\(no connection, .*\): check api_url and the network, then load it again\.$"
        ),
    ):
        list(api.list_clusters())


def test_a_port_where_nobody_listens_is_said_in_short() -> None:
    with SampleApi({}) as server:
        url = server.url
    with connect(url, IMPATIENT) as api, pytest.raises(SourceError) as raised:
        list(api.list_clusters())
    assert re.search(r"\(no connection, ConnectionRefusedError: \[Errno \d+\] Connection refused\)", str(raised.value))


@pytest.mark.parametrize("token", ["", "dapi-1\n", "dapi 1", "dapí"])
def test_a_token_that_cannot_be_one_is_not_sent_or_shown(token: str) -> None:
    with pytest.raises(SourceError, match="what environment SALES_PAT refers to is empty or has blanks") as raised:
        connect("http://127.0.0.1:1", token=token)
    assert not token or token not in str(raised.value)


def test_no_host_does_not_fall_back_to_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABRICKS_HOST", "https://another.example")
    with pytest.raises(SourceError, match="has no api_url"):
        connect("")


def test_the_environment_does_not_change_who_is_asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name, value in {
        "DATABRICKS_HOST": "https://another.example",
        "DATABRICKS_TOKEN": "dapi-other",
        "DATABRICKS_CLIENT_ID": "id",
        "DATABRICKS_CLIENT_SECRET": "secret",
        "DATABRICKS_USERNAME": "user",
        "DATABRICKS_CONFIG_PROFILE": "nowhere",
        "DATABRICKS_CONFIG_FILE": str(tmp_path / "databrickscfg"),
    }.items():
        monkeypatch.setenv(name, value)
    (tmp_path / "databrickscfg").write_text("[other]\nhost = https://third.example\n")
    with SampleApi({TOKEN: clusters(1)}) as server:
        assert listed(server) == list(clusters(1).values())


def test_no_log_shows_the_token(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABRICKS_DEBUG_HEADERS", "true")
    faults = [Fault(status=502, body="nobody can parse this"), Fault(LIST, status=429, headers={"Retry-After": "0"})]
    with caplog.at_level(logging.DEBUG), SampleApi({TOKEN: clusters(1)}, faults) as server:
        assert listed(server) == list(clusters(1).values())
        got(server, ["nobody"])
    assert "HTTP 502" in caplog.text
    assert TOKEN not in caplog.text


def test_a_client_of_dagster_databricks_is_used_with_its_credentials() -> None:
    with SampleApi({TOKEN: clusters(3)}) as server:
        client = DatabricksClientResource(host=server.url, token=TOKEN).get_client().workspace_client
        with WorkspaceApi(Rest(client, workspace="sales (123)", secret="dagster", settings=FAST)) as api:
            assert list(api.list_clusters()) == list(clusters(3).values())
        assert server.received[0].headers["user-agent"].startswith("overwatch-assets/")


def test_a_sign_in_that_fails_is_one_sentence() -> None:
    with SampleApi({TOKEN: {}}) as server:
        client = WorkspaceClient(host=server.url, token=TOKEN, auth_type="pat")

        def refuse() -> dict[str, str]:
            raise ValueError(f"invalid_client for {TOKEN}")

        client.config.authenticate = refuse  # type: ignore[method-assign]  # as an expired OAuth secret does
        with (
            WorkspaceApi(Rest(client, workspace="sales (123)", secret="scope a/b", settings=FAST)) as api,
            pytest.raises(SourceError) as raised,
        ):
            list(api.list_clusters())
    assert str(raised.value).endswith(
        "(sign-in failed, ValueError: invalid_client for ***): check the credentials that scope a/b refers to."
    )


def test_requests_go_through_the_proxy_with_its_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    with SampleApi({TOKEN: clusters(1)}) as proxy:
        settings = ApiSettings(
            proxy_host="127.0.0.1", proxy_port=proxy.port, proxy_user_name="ann", proxy_password="p@ss/word"
        )
        with connect("http://workspace.invalid", settings) as api:
            assert list(api.list_clusters()) == list(clusters(1).values())
        (request,) = proxy.received
    assert request.headers["host"] == "workspace.invalid"
    assert request.headers["proxy-authorization"] == "Basic YW5uOnBAc3Mvd29yZA=="  # ann:p@ss/word
    assert "p@ss" not in repr(settings)


def test_loopback_needs_no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    with SampleApi({TOKEN: clusters(1)}) as server:
        assert listed(server) == list(clusters(1).values())


@pytest.fixture
def tls_server(tmp_path: Path) -> Iterator[tuple[SampleApi, Path]]:
    """A server whose certificate nobody trusts, and the certificate's file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(minutes=5))
        .not_valid_after(now + dt.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    file = tmp_path / "server.pem"
    file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    server = SampleApi({TOKEN: clusters(1)})
    server._server.socket = context.wrap_socket(server._server.socket, server_side=True)
    with server:
        yield server, file


def test_a_certificate_that_is_not_trusted_is_refused_at_once(tls_server: tuple[SampleApi, Path]) -> None:
    server, _ = tls_server
    url = f"https://127.0.0.1:{server.port}"
    with (
        connect(url) as api,
        pytest.raises(SourceError, match=r"\(no trusted connection, .*self.signed.*REQUESTS_CA_BUNDLE"),
    ):
        list(api.list_clusters())
    assert server.received == []


def test_a_certificate_whose_issuer_is_added_is_trusted(
    tls_server: tuple[SampleApi, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    server, file = tls_server
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(file))
    with connect(f"https://127.0.0.1:{server.port}") as api:
        assert len(list(api.list_clusters())) == 1


@pytest.mark.filterwarnings("ignore::urllib3.exceptions.InsecureRequestWarning")
def test_tls_checks_are_off_when_the_deployment_says_so(tls_server: tuple[SampleApi, Path]) -> None:
    server, _ = tls_server
    with connect(f"https://127.0.0.1:{server.port}", ApiSettings(enable_unsafe_ssl=True)) as api:
        assert len(list(api.list_clusters())) == 1


def test_the_limiter_gives_a_second_of_requests_at_once_and_then_the_rate() -> None:
    limiter = RateLimiter(5)
    waits = [limiter.reserve() for _ in range(8)]
    assert waits[:5] == [0, 0, 0, 0, 0]
    assert waits[5:] == pytest.approx([0.15, 0.35, 0.55], abs=0.051)  # at most 0.2, 0.4, 0.6, less the time since


def test_a_pause_holds_back_everybody() -> None:
    limiter = RateLimiter(1000)
    limiter.pause(3)
    limiter.pause(1)
    assert [limiter.reserve() for _ in range(2)] == pytest.approx([2.8, 2.8], abs=0.2)


def test_requests_keep_to_the_rate() -> None:
    settings = ApiSettings(requests_per_second=20, thread_pool_size=8)
    with SampleApi({TOKEN: clusters(30)}) as server:
        began = time.monotonic()
        assert len(got(server, list(clusters(30)), settings)) == 30
        assert time.monotonic() - began >= 0.45  # 20 at once, 10 at 20 a second


def test_importing_the_module_does_not_import_the_sdk() -> None:
    code = "import sys, overwatch_assets.sources.workspace_api; print('databricks.sdk' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"


EVENTS = "/api/2.1/clusters/events"
JOBS = "/api/2.1/jobs/list"
POOLS = "/api/2.0/instance-pools/list"


def jobs(count: int) -> list[dict[str, Any]]:
    """As the list has them: the newest first."""
    return [
        {"job_id": n, "created_time": 1000 + n, "settings": {"name": f"j{n}", "tasks": [{"task_key": "a"}]}}
        for n in range(count, 0, -1)
    ]


def listed_jobs(server: SampleApi, settings: ApiSettings = FAST) -> list[dict[str, Any]]:
    with connect(server.url, settings) as api:
        return list(api.list_jobs())


def test_60_jobs_come_in_three_pages_with_their_tasks() -> None:
    with SampleApi({TOKEN: Known(jobs=jobs(60))}) as server:
        assert listed_jobs(server) == jobs(60)
        assert [r.query["limit"] for r in server.received] == ["25"] * 3
        assert {r.query["expand_tasks"] for r in server.received} == {"true"}


def test_429_between_pages_of_jobs_leaves_no_row() -> None:
    storm = Fault(JOBS, skip=1, times=2, status=429, headers={"Retry-After": "0"})
    with SampleApi({TOKEN: Known(jobs=jobs(60))}, [storm]) as server:
        assert listed_jobs(server) == jobs(60)
        assert server.count(JOBS) == 5


def test_a_job_deleted_between_two_pages_hides_no_other_job() -> None:
    known = [jobs(60), [j for j in jobs(60) if j["job_id"] not in (60, 36, 30)]]
    with SampleApi({TOKEN: lambda: Known(jobs=known.pop(0) if len(known) > 1 else known[0])}) as server:
        found = [job["job_id"] for job in listed_jobs(server)]
    assert found == [n for n in range(60, 0, -1) if n != 30]  # the two others were on the first page


def test_no_jobs_and_no_pools_are_empty_lists() -> None:
    with SampleApi({TOKEN: {}}) as server, connect(server.url) as api:
        assert (list(api.list_jobs()), list(api.list_pools())) == ([], [])


@pytest.mark.parametrize(
    ("page", "message"),
    [
        ({"jobs": jobs(1), "has_more": True}, "without the token of its next page"),
        ({"jobs": jobs(1), "has_more": True, "next_page_token": "x"}, "with the same page again"),
        ({"has_more": True, "items": []}, "without 'jobs': check api_url"),
    ],
)
def test_pages_of_jobs_that_lead_nowhere_are_one_sentence(page: dict[str, Any], message: str) -> None:
    with (
        SampleApi({TOKEN: {}}, [Fault(times=None, status=200, body=page)]) as server,
        pytest.raises(SourceError, match=message),
    ):
        listed_jobs(server)


def test_tokens_that_go_round_in_a_circle_end() -> None:
    faults = [Fault(status=200, body={"jobs": [], "has_more": True, "next_page_token": t}) for t in "abab"]
    with SampleApi({TOKEN: {}}, faults) as server, pytest.raises(SourceError, match="with the same page again"):
        listed_jobs(server)


def test_pools_come_in_one_answer_and_a_refusal_says_what_to_do() -> None:
    pools = [{"instance_pool_id": f"p{n}"} for n in range(3)]
    with SampleApi({TOKEN: Known(pools=pools)}, [Fault(POOLS, skip=1, status=403)]) as server:
        with connect(server.url) as api:
            assert list(api.list_pools()) == pools
        with connect(server.url) as api, pytest.raises(SourceError, match="this right on the instance pools"):
            list(api.list_pools())


def happened(cluster_id: str, count: int) -> list[dict[str, Any]]:
    return [{"cluster_id": cluster_id, "timestamp": 1000 + n, "type": "RUNNING"} for n in range(count)]


def read_events(server: SampleApi, *ids: str, settings: ApiSettings = FAST) -> list[EventsRead]:
    with connect(server.url, settings) as api:
        return list(api.cluster_events(Span(i, 1000, 9000) for i in ids))


def sizes(read: EventsRead) -> list[int]:
    return [len(page) for page in read.pages]


def test_events_come_oldest_first_in_pages_of_500() -> None:
    known = Known(events={"a": happened("a", 1201), "b": [], "c": happened("c", 3)})
    with SampleApi({TOKEN: known}) as server:
        a, b, c = read_events(server, "a", "b", "c")
        asked = next(r for r in server.received if r.body["cluster_id"] == "a")
    assert (asked.method, asked.path) == ("POST", EVENTS)
    assert asked.body == {"cluster_id": "a", "start_time": 1000, "end_time": 9000, "order": "ASC", "limit": 500}
    assert (sizes(a), [e for page in a.pages for e in page]) == ([500, 500, 201], happened("a", 1201))
    assert (sizes(b), sizes(c)) == ([0], [3])
    assert (a.failure, b.failure, c.failure) == (None, None, None)


def test_the_next_page_is_asked_for_as_the_workspace_says_it() -> None:
    following = {"cluster_id": "a", "offset": 1, "limit": 7, "unknown": {"x": [1]}}
    first = Fault(EVENTS, status=200, body={"events": happened("a", 1), "next_page": following, "total_count": 2})
    second = Fault(EVENTS, status=200, body={"events": happened("a", 2)[1:], "total_count": 2})
    with SampleApi({TOKEN: {}}, [first, second]) as server:
        (read,) = read_events(server, "a")
        assert server.received[1].body == following
    assert (sizes(read), read.failure) == ([1, 1], None)


def test_a_page_token_instead_of_a_next_page_is_followed() -> None:
    first = Fault(EVENTS, status=200, body={"events": happened("a", 1), "next_page_token": "t", "total_count": 0})
    second = Fault(EVENTS, status=200, body={"events": happened("a", 2)[1:], "next_page_token": "", "total_count": 0})
    with SampleApi({TOKEN: {}}, [first, second]) as server:
        (read,) = read_events(server, "a")
        assert server.received[1].body == server.received[0].body | {"page_token": "t"}
    assert (sizes(read), read.failure) == ([1, 1], None)


@pytest.mark.parametrize(
    ("body", "pages", "message"),
    [
        ({"events": [{}], "next_page": {"page_token": "x"}}, [1, 1], "page 2 leads back to an earlier page"),
        ({"events": [{}], "next_page_token": "x"}, [1, 1], "page 2 leads back to an earlier page"),
        ({"events": [{}, {}], "next_page": {"offset": 0}}, [2], "page 1 leads back to an earlier page"),
        ({"events": [{}], "next_page": {"offset": 500}}, [1], "page 2 begins at event 500, after 1 events"),
        ({"events": [{}], "total_count": 3}, [1], "the events end after 1 of 3"),
        ({"events": {}}, [], "an answer whose events are no list"),
    ],
    ids=["token repeats", "page token repeats", "offset repeats", "page skips", "early end", "no list"],
)
def test_pages_that_repeat_or_skip_are_a_failure_of_their_cluster(
    body: dict[str, Any], pages: list[int], message: str
) -> None:
    fault = Fault(EVENTS, query={"cluster_id": "a"}, times=1, status=200, body=body)
    again = Fault(EVENTS, query={"page_token": "x"}, times=None, status=200, body=body)
    with SampleApi({TOKEN: Known(events={"b": happened("b", 2)})}, [again, fault]) as server:
        a, b = read_events(server, "a", "b")
    assert a.failure is not None
    assert (sizes(a), a.failure.message, a.failure.http_code) == (pages, message, 200)
    assert (sizes(b), b.failure) == ([2], None)


@pytest.mark.parametrize("status", [400, 403, 404])
def test_a_refused_cluster_is_its_own_failure(status: int) -> None:
    known = Known(events={i: happened(i, 2) for i in "abc"})
    body = {"error_code": "SOMETHING", "message": "No."}
    with SampleApi({TOKEN: known}, [Fault(EVENTS, {"cluster_id": "b"}, status=status, body=body)]) as server:
        a, b, c = read_events(server, "a", "b", "c")
    assert (sizes(a), sizes(b), sizes(c)) == ([2], [], [2])
    assert b.failure == ApiFailure("b", status, "SOMETHING", "No.", json.dumps(body))


def test_429_between_pages_of_events_is_waited_for() -> None:
    storm = Fault(EVENTS, skip=1, times=2, status=429, headers={"Retry-After": "0"})
    with SampleApi({TOKEN: Known(events={"a": happened("a", 600)})}, [storm]) as server:
        (read,) = read_events(server, "a")
        assert server.count(EVENTS) == 4
    assert (sizes(read), read.failure) == ([500, 100], None)


def test_what_was_read_before_a_page_that_never_comes_is_kept() -> None:
    fault = Fault(EVENTS, {"offset": "500"}, times=None, status=503)
    with SampleApi({TOKEN: Known(events={"a": happened("a", 600), "b": happened("b", 1)})}, [fault]) as server:
        a, b = read_events(server, "a", "b", settings=IMPATIENT)
    assert a.failure is not None
    assert (sizes(a), a.failure.http_code, b.failure) == ([500], 503, None)


RUNS, RUN = "/api/2.1/jobs/runs/list", "/api/2.1/jobs/runs/get"
ALL_TOKENS = "/api/2.0/token-management/tokens"


def happening(count: int) -> list[dict[str, Any]]:
    """As the list has them: the newest first."""
    state = {"life_cycle_state": "RUNNING"}
    return [{"run_id": n, "start_time": 1000 + n, "state": state, "tasks": [{}]} for n in range(count, 0, -1)]


def test_runs_of_a_time_come_25_a_page_with_their_tasks_and_without_its_end() -> None:
    storm = Fault(RUNS, skip=1, times=1, status=429, headers={"Retry-After": "0"})
    with SampleApi({TOKEN: Known(runs=happening(70))}, [storm]) as server, connect(server.url) as api:
        assert list(api.list_runs(1003, 1064)) == [run for run in happening(70) if 3 <= run["run_id"] < 64]
        assert server.count(RUNS) == 4
        asked = server.received[0].query
    assert asked == {"limit": "25", "expand_tasks": "true", "start_time_from": "1003", "start_time_to": "1063"}


def test_a_run_that_is_gone_hides_no_other() -> None:
    refused = [Fault(RUN, {"run_id": "2"}, status=403)]
    with SampleApi({TOKEN: Known(runs=happening(3))}, refused) as server, connect(server.url) as api:
        first, second, third = api.get_runs([1, 2, 9])
    assert first == happening(1)[0]
    assert isinstance(second, ApiFailure)
    assert isinstance(third, ApiFailure)
    assert (second.object_id, second.http_code, second.says_gone) == ("2", 403, False)
    assert (third.object_id, third.http_code, third.says_gone) == ("9", 400, True)


def test_who_may_not_list_all_tokens_is_told_their_own() -> None:
    tokens = [{"token_id": n, "created_by_username": f"{n}@x"} for n in ("a", "b")]
    with SampleApi({TOKEN: Known(tokens=tokens)}) as server, connect(server.url) as api:
        assert api.list_tokens() == (tokens, True)
    refused = [Fault(ALL_TOKENS, status=403)]
    with SampleApi({TOKEN: Known(tokens=tokens, caller="b@x")}, refused) as server, connect(server.url) as api:
        assert api.list_tokens() == ([{"token_id": "b"}], False)


@pytest.mark.parametrize(("status", "message"), [(404, "check api_url"), (503, "load it again later")])
def test_another_answer_than_a_refusal_of_all_tokens_is_a_failure(status: int, message: str) -> None:
    faults = [Fault(ALL_TOKENS, times=None, status=status)]
    with SampleApi({TOKEN: {}}, faults) as server, connect(server.url, IMPATIENT) as api:
        with pytest.raises(SourceError, match=message):
            api.list_tokens()
        assert server.count("*/token/list") == 0
