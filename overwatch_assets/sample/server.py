"""An HTTP server that answers a workspace's endpoints as Databricks does, from the bodies it is given.

The answers, page sizes and error bodies are those of Databricks' REST API reference and of answers that users reported.
"""

import itertools
import json
import logging
import sys
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, HTTPServer
from types import TracebackType
from typing import Any, Self, cast
from urllib.parse import parse_qsl, urlsplit

from overwatch_assets.sample import lists
from overwatch_assets.sample.loopback import LoopbackServer
from overwatch_assets.sample.page_tokens import of_token, token as token_of

logger = logging.getLogger(__name__)

Clusters = Mapping[str, Mapping[str, Any]]

_PAGE_SIZE = 20
_LARGEST_PAGE = 100
_LARGEST_JOBS_PAGE, _JOBS_PAGE = 25, 20
_LARGEST_EVENTS_PAGE, _EVENTS_PAGE = 500, 50
# A fault without a body of its own gets the body that Databricks gives with this status.
_ERROR_BODIES: Mapping[int, Mapping[str, Any]] = {
    400: {"error_code": "INVALID_PARAMETER_VALUE", "message": "The request is invalid."},
    401: {"error_code": 401, "message": "Credential was not sent or was of an unsupported type for this API."},
    403: {"error_code": "PERMISSION_DENIED", "message": "The caller has no permission for this request."},
    404: {"error_code": "ENDPOINT_NOT_FOUND", "message": "No API found for this request."},
    429: {"error_code": "REQUEST_LIMIT_EXCEEDED", "message": "The request rate limit of this workspace is exceeded."},
    500: {"error_code": "INTERNAL_ERROR", "message": "Internal error."},
    503: {"error_code": "TEMPORARILY_UNAVAILABLE", "message": "The service is temporarily unavailable."},
    504: {"error_code": "DEADLINE_EXCEEDED", "message": "The request took too long."},
}
_INVALID_TOKEN = {"error_code": 403, "message": "Invalid access token."}  # the code really is a number here


@dataclass(frozen=True)
class Fault:
    """What happens to some requests instead of their true answer.

    It takes requests whose path matches `path` (a shell pattern), whose query or body holds all of `query`, and that
    carry `token` (None: any token). The first `skip` of them are left alone, the next `times` get the fault (None:
    all).
    """

    path: str = "*"
    query: Mapping[str, str] = field(default_factory=dict)
    token: str | None = None
    skip: int = 0
    times: int | None = 1
    delay_s: float = 0.0  # before the answer, or before hanging up
    status: int | None = None  # None: the true answer
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Mapping[str, Any] | str | None = None  # None: Databricks' body for the status; a string is sent as text
    hang_up: bool = False  # closes the connection without an answer


@dataclass(frozen=True)
class Received:
    """A request that the server got."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str] = field(repr=False)
    body: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Known:
    """What a workspace knows of itself.

    Clusters by id, each the body of `clusters/get`; events by cluster; all else as its list has it: libraries by
    cluster, runs with their tasks, and tokens as an admin sees them. `caller` is whose token asks.
    """

    clusters: Clusters = field(default_factory=dict)
    jobs: Sequence[Mapping[str, Any]] = ()
    pools: Sequence[Mapping[str, Any]] = ()
    events: Mapping[str, Sequence[Mapping[str, Any]]] = field(default_factory=dict)
    libraries: Sequence[Mapping[str, Any]] = ()
    policies: Sequence[Mapping[str, Any]] = ()
    instance_profiles: Sequence[Mapping[str, Any]] = ()
    init_scripts: Sequence[Mapping[str, Any]] = ()
    tokens: Sequence[Mapping[str, Any]] = ()
    runs: Sequence[Mapping[str, Any]] = ()
    queries: Sequence[Mapping[str, Any]] = ()
    warehouses: Sequence[Mapping[str, Any]] = ()
    caller: str = ""
    is_admin: bool = True


Told = Known | Clusters


@dataclass(frozen=True)
class _Answer:
    status: int
    body: Mapping[str, Any] | str
    headers: Mapping[str, str] = field(default_factory=dict)


class SampleApi:
    """Databricks' endpoints on loopback, for any number of workspaces told apart by their token.

    A context manager: the server runs inside the `with` block, at `url`.

    Args:
        workspaces: by token, what a workspace knows, or only its clusters; or a function that gives it, called at each
            request, so that it may follow a clock.
        faults: tried in order at each request; the first one that takes it decides.
        port: where to listen; 0 lets the operating system choose.

    Raises OSError if the port is taken.
    """

    def __init__(
        self,
        workspaces: Mapping[str, Told | Callable[[], Told]],
        faults: Iterable[Fault] = (),
        *,
        port: int = 0,
    ) -> None:
        self._workspaces = dict(workspaces)
        self._lock = threading.Lock()
        self._faults = [(fault, itertools.count()) for fault in faults]
        self._received: list[Received] = []
        self._closing = threading.Event()
        self._server = _Server(_Handler, port)
        self._server.api = self

    def __enter__(self) -> Self:
        self._server.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._closing.set()
        self._server.__exit__(kind, error, traceback)

    @property
    def port(self) -> int:
        """The port it listens on."""
        return self._server.port

    @property
    def url(self) -> str:
        """What a deployment file has as `api_url`."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def received(self) -> list[Received]:
        """All requests so far, in order of arrival."""
        with self._lock:
            return list(self._received)

    def count(self, path: str) -> int:
        """Count the requests so far that had a path that matches this shell pattern."""
        return sum(fnmatchcase(request.path, path) for request in self.received)

    def add_fault(self, fault: Fault) -> None:
        """Let this fault take requests from now on, after those that are there already."""
        with self._lock:
            self._faults.append((fault, itertools.count()))

    def _answer(self, request: Received) -> _Answer | None:
        """Return the answer to a request, late if a fault says so; None to hang up."""
        token = request.headers.get("authorization", "").removeprefix("Bearer ").strip()
        fault = self._fault(request, token)
        if fault is not None:
            self._closing.wait(fault.delay_s)
            if fault.hang_up:
                return None
            if fault.status is not None:
                body = fault.body if fault.body is not None else _ERROR_BODIES.get(fault.status, {})
                return _Answer(fault.status, body, fault.headers)
        return self._true_answer(request, token)

    def _fault(self, request: Received, token: str) -> Fault | None:
        with self._lock:
            self._received.append(request)
            said = {**request.query, **{name: str(value) for name, value in request.body.items()}}
            for fault, earlier in self._faults:
                if (
                    fnmatchcase(request.path, fault.path)
                    and fault.query.items() <= said.items()
                    and fault.token in (None, token)
                ):
                    taken = next(earlier) - fault.skip
                    if taken >= 0 and (fault.times is None or taken < fault.times):
                        return fault
        return None

    def _true_answer(self, request: Received, token: str) -> _Answer:
        if not token:
            return _Answer(401, _ERROR_BODIES[401])
        if token not in self._workspaces:
            return _Answer(403, _INVALID_TOKEN)
        answer = _ENDPOINTS.get((request.method, request.path))
        if answer is None:
            message = (
                f"No API found for '{request.method} {request.path.removeprefix('/api/2.0').removeprefix('/api/2.1')}'"
            )
            return _Answer(404, {"error_code": "ENDPOINT_NOT_FOUND", "message": message})
        given = self._workspaces[token]
        told = given() if callable(given) else given
        return answer(told if isinstance(told, Known) else Known(told), request)


def _list(known: Known, request: Received) -> _Answer:
    """Answer one page of all clusters, in the order given. Filters and sort orders are ignored."""
    clusters, query = known.clusters, request.query
    size = query.get("page_size", "0")
    if not size.isdecimal():
        return _invalid(f"page_size must be an integer from 0 to {_LARGEST_PAGE}, but is '{size}'.")
    count = min(int(size) or _PAGE_SIZE, _LARGEST_PAGE)
    try:
        token = query.get("page_token", "")
        (start,) = of_token("clusters", token) if token else (0,)
    except ValueError:
        return _invalid("Invalid page token.")
    page: dict[str, Any] = {}
    found = list(clusters.values())[start : start + count]
    if found:
        page["clusters"] = found
    page["next_page_token"] = token_of("clusters", start + count) if start + count < len(clusters) else ""
    page["prev_page_token"] = token_of("clusters", max(0, start - count)) if start else ""
    return _Answer(200, page)


def _get(known: Known, request: Received) -> _Answer:
    clusters, cluster_id = known.clusters, request.query.get("cluster_id")
    if not cluster_id:
        return _invalid("Missing required field: cluster_id")
    if cluster_id not in clusters:
        return _invalid(f"Cluster {cluster_id} does not exist")
    return _Answer(200, clusters[cluster_id])


def _events(known: Known, request: Received) -> _Answer:
    """Answer one page of a cluster's events, newest first unless `order` says ASC. Filters by type are ignored."""
    asked = request.body
    cluster_id = asked.get("cluster_id")
    if not cluster_id:
        return _invalid("Missing required field: cluster_id")
    if cluster_id not in known.events and cluster_id not in known.clusters:
        return _invalid(f"Cluster {cluster_id} does not exist")
    try:
        start, end = int(asked.get("start_time", 0)), int(asked.get("end_time", sys.maxsize))
        offset, limit = int(asked.get("offset", 0)), int(asked.get("limit", _EVENTS_PAGE))
    except ValueError:
        return _invalid("start_time, end_time, offset and limit must be integers.")
    if not 0 < limit <= _LARGEST_EVENTS_PAGE:
        return _invalid(f"limit must be from 1 to {_LARGEST_EVENTS_PAGE}, but is {limit}.")
    order = str(asked.get("order", "DESC"))
    found = sorted(
        (e for e in known.events.get(cluster_id, ()) if start <= e["timestamp"] < end),
        key=lambda e: e["timestamp"],
        reverse=order == "DESC",
    )
    page: dict[str, Any] = {"events": found[offset : offset + limit]} if found else {}
    page["total_count"] = len(found)
    if offset + limit < len(found):
        page["next_page"] = {
            "cluster_id": cluster_id,
            "start_time": start,
            "end_time": end,
            "order": order,
            "offset": offset + limit,
            "limit": limit,
        }
    return _Answer(200, page)


def _jobs(known: Known, request: Received) -> _Answer:
    """Answer one page of all jobs, the newest first; a token names the job before the page, which may be deleted."""
    query = request.query
    limit = query.get("limit", str(_JOBS_PAGE))
    if not (limit.isdecimal() and 1 <= int(limit) <= _LARGEST_JOBS_PAGE):
        return _invalid(f"limit must be an integer from 1 to {_LARGEST_JOBS_PAGE}, but is '{limit}'.")
    try:
        after = _job_before(query.get("page_token", ""))
    except ValueError:
        return _invalid("Invalid page token.")
    rest = sorted((job for job in known.jobs if _newest_first(job) > after), key=_newest_first)
    found = rest[: int(limit)]
    page: dict[str, Any] = {"has_more": len(rest) > len(found)}
    if found:
        page["jobs"] = [job if query.get("expand_tasks") == "true" else _without_tasks(job) for job in found]
    if page["has_more"]:
        page["next_page_token"] = token_of("jobs", *_newest_first(found[-1]))
    return _Answer(200, page)


def _newest_first(job: Mapping[str, Any]) -> tuple[int, int]:
    return -int(job["created_time"]), int(job["job_id"])


def _job_before(page_token: str) -> tuple[int, int]:
    if not page_token:
        return -sys.maxsize, 0
    created, job_id = of_token("jobs", page_token)
    return created, job_id


def _without_tasks(job: Mapping[str, Any]) -> dict[str, Any]:
    settings = {name: value for name, value in job["settings"].items() if name not in ("tasks", "job_clusters")}
    return {**job, "settings": settings}


def _pools(known: Known, _: Received) -> _Answer:
    return _Answer(200, {"instance_pools": list(known.pools)} if known.pools else {})


def _plain(answer: Callable[[Known, Mapping[str, str]], lists.Answer]) -> Callable[[Known, Received], _Answer]:
    return lambda known, request: _Answer(*answer(known, request.query))


_ENDPOINTS: Mapping[tuple[str, str], Callable[[Known, Received], _Answer]] = {
    **{("GET", f"/api/{version}/clusters/list"): _list for version in ("2.0", "2.1")},
    **{("GET", f"/api/{version}/clusters/get"): _get for version in ("2.0", "2.1")},
    **{("POST", f"/api/{version}/clusters/events"): _events for version in ("2.0", "2.1")},
    ("GET", "/api/2.1/jobs/list"): _jobs,
    ("GET", "/api/2.0/instance-pools/list"): _pools,
    ("GET", "/api/2.1/jobs/runs/list"): _plain(lists.runs),
    ("GET", "/api/2.1/jobs/runs/get"): _plain(lists.run),
    ("GET", "/api/2.0/libraries/all-cluster-statuses"): _plain(lists.whole("statuses", lambda k: k.libraries)),
    ("GET", "/api/2.0/policies/clusters/list"): _plain(lists.policies),
    ("GET", "/api/2.0/instance-profiles/list"): _plain(lists.whole("instance_profiles", lambda k: k.instance_profiles)),
    ("GET", "/api/2.0/global-init-scripts"): _plain(lists.whole("scripts", lambda k: k.init_scripts)),
    ("GET", "/api/2.0/token/list"): _plain(lists.own_tokens),
    ("GET", "/api/2.0/token-management/tokens"): _plain(lists.all_tokens),
    ("GET", "/api/2.0/sql/history/queries"): _plain(lists.queries),
    ("GET", "/api/2.0/sql/warehouses"): _plain(lists.warehouses),
}


def _invalid(message: str) -> _Answer:
    return _Answer(400, {"error_code": "INVALID_PARAMETER_VALUE", "message": message})


def _object(sent: bytes) -> dict[str, Any]:
    try:
        found = json.loads(sent)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


class _Server(LoopbackServer, HTTPServer):
    api: SampleApi


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # header and body in one packet

    def do_GET(self) -> None:
        self._exchange()

    def do_POST(self) -> None:
        self._exchange()

    def _exchange(self) -> None:
        sent = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        target = urlsplit(self.path)
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = Received(self.command, target.path, dict(parse_qsl(target.query)), headers, _object(sent))
        answer = cast(_Server, self.server).api._answer(request)  # noqa: SLF001 both are this module
        if answer is None:
            self.close_connection = True
            return
        text = isinstance(answer.body, str)
        content = (answer.body if isinstance(answer.body, str) else json.dumps(answer.body)).encode()
        try:
            self.send_response(answer.status, HTTPStatus(answer.status).phrase)
            self.send_header("Content-Type", "text/html" if text else "application/json")
            self.send_header("Content-Length", str(len(content)))
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)
            self.wfile.flush()
        except ConnectionError:  # the client did not wait for the answer
            self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:
        logger.debug(format, *args)
