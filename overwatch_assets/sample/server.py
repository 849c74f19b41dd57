"""An HTTP server that answers a workspace's cluster endpoints as Databricks does, from the bodies it is given.

The answers, page sizes and error bodies are those of Databricks' REST API reference and of answers that users reported.
"""

import base64
import binascii
import itertools
import json
import logging
import sys
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self, cast
from urllib.parse import parse_qsl, urlsplit

logger = logging.getLogger(__name__)

Clusters = Mapping[str, Mapping[str, Any]]

_PAGE_SIZE = 20
_LARGEST_PAGE = 100
_ENDPOINTS = {f"/api/{version}/clusters/{verb}": verb for version in ("2.0", "2.1") for verb in ("list", "get")}
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

    It takes requests whose path matches `path` (a shell pattern), whose query holds all of `query`, and which carry
    `token` (None: any token). The first `skip` of them are left alone, the next `times` get the fault (None: all).
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


@dataclass(frozen=True)
class _Answer:
    status: int
    body: Mapping[str, Any] | str
    headers: Mapping[str, str] = field(default_factory=dict)


class SampleApi:
    """Databricks' cluster endpoints on loopback, for any number of workspaces told apart by their token.

    A context manager: the server runs inside the `with` block, at `url`.

    Args:
        workspaces: by token, a workspace's clusters by id, each the JSON body of `clusters/get`; or a function that
            gives them, called at each request, so that they may follow a clock.
        faults: tried in order at each request; the first one that takes it decides.
        port: where to listen; 0 lets the operating system choose.

    Raises OSError if the port is taken.
    """

    def __init__(
        self,
        workspaces: Mapping[str, Clusters | Callable[[], Clusters]],
        faults: Iterable[Fault] = (),
        *,
        port: int = 0,
    ) -> None:
        self._workspaces = dict(workspaces)
        self._lock = threading.Lock()
        self._faults = [(fault, itertools.count()) for fault in faults]
        self._received: list[Received] = []
        self._closing = threading.Event()
        self._server = _Server(("127.0.0.1", port), _Handler)
        self._server.api = self
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._closing.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def port(self) -> int:
        """The port it listens on."""
        return int(self._server.server_address[1])

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
            for fault, earlier in self._faults:
                if (
                    fnmatchcase(request.path, fault.path)
                    and fault.query.items() <= request.query.items()
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
        verb = _ENDPOINTS.get(request.path)
        if verb is None or request.method != "GET":
            message = (
                f"No API found for '{request.method} {request.path.removeprefix('/api/2.0').removeprefix('/api/2.1')}'"
            )
            return _Answer(404, {"error_code": "ENDPOINT_NOT_FOUND", "message": message})
        given = self._workspaces[token]
        clusters = given() if callable(given) else given
        return _list(clusters, request.query) if verb == "list" else _get(clusters, request.query)


def _list(clusters: Clusters, query: Mapping[str, str]) -> _Answer:
    """Answer one page of all clusters, in the order given. Filters and sort orders are ignored."""
    size = query.get("page_size", "0")
    if not size.isdecimal():
        return _invalid(f"page_size must be an integer from 0 to {_LARGEST_PAGE}, but is '{size}'.")
    count = min(int(size) or _PAGE_SIZE, _LARGEST_PAGE)
    try:
        start = _offset(query.get("page_token", ""))
    except ValueError:
        return _invalid("Invalid page token.")
    page: dict[str, Any] = {}
    found = list(clusters.values())[start : start + count]
    if found:
        page["clusters"] = found
    page["next_page_token"] = _page_token(start + count) if start + count < len(clusters) else ""
    page["prev_page_token"] = _page_token(max(0, start - count)) if start else ""
    return _Answer(200, page)


def _get(clusters: Clusters, query: Mapping[str, str]) -> _Answer:
    cluster_id = query.get("cluster_id")
    if not cluster_id:
        return _invalid("Missing required field: cluster_id")
    if cluster_id not in clusters:
        return _invalid(f"Cluster {cluster_id} does not exist")
    return _Answer(200, clusters[cluster_id])


def _invalid(message: str) -> _Answer:
    return _Answer(400, {"error_code": "INVALID_PARAMETER_VALUE", "message": message})


def _page_token(offset: int) -> str:
    return base64.urlsafe_b64encode(f"clusters:{offset}".encode()).decode()


def _offset(page_token: str) -> int:
    if not page_token:
        return 0
    try:
        kind, _, offset = base64.urlsafe_b64decode(page_token).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError) as error:
        raise ValueError(page_token) from error
    if kind != "clusters":
        raise ValueError(page_token)
    return int(offset)


class _Server(ThreadingHTTPServer):
    api: SampleApi
    request_queue_size = 64

    def handle_error(self, request: object, client_address: object) -> None:
        if isinstance(sys.exception(), ConnectionError):
            logger.debug("The client %s closed its connection.", client_address)
        else:
            super().handle_error(request, client_address)  # type: ignore[arg-type]  # typeshed wants its own socket type


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # header and body in one packet

    def do_GET(self) -> None:
        self._exchange()

    def do_POST(self) -> None:
        self._exchange()

    def _exchange(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        target = urlsplit(self.path)
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = Received(self.command, target.path, dict(parse_qsl(target.query)), headers)
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
