"""A workspace's REST API, through the Databricks SDK: its objects as JSON bodies, unknown fields included.

The SDK signs in (all of its kinds of credentials), sends and judges what is worth another try. The waiting in between
is done here, because the SDK's own has no end to a `Retry-After`, gives up at once on 500, 502, 504 and on an answer
cut short, and retries a certificate that is not trusted. Rules: the endpoints' pages in the REST API reference.
"""

import functools
import logging
import re
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import TYPE_CHECKING, Any, NoReturn, Self, TypeVar
from urllib.parse import quote, urlsplit

import tenacity

from overwatch_assets import __version__
from overwatch_assets.errors import SourceError

if TYPE_CHECKING:  # the SDK takes more than two seconds to import
    from databricks.sdk import WorkspaceClient
    from databricks.sdk.core import ApiClient, Config
    from requests import PreparedRequest, Response
    from requests.adapters import HTTPAdapter

logger = logging.getLogger(__name__)

_LIST = "/api/2.1/clusters/list"
_GET = "/api/2.1/clusters/get"
_EVENTS = "/api/2.1/clusters/events"
_JOBS = "/api/2.1/jobs/list"
_POOLS = "/api/2.0/instance-pools/list"
_ALL_TOKENS, _OWN_TOKENS = "/api/2.0/token-management/tokens", "/api/2.0/token/list"
_RUNS = "/api/2.1/jobs/runs/list"
_RUN = "/api/2.1/jobs/runs/get"
_QUERIES = "/api/2.0/sql/history/queries"
_WAREHOUSES = "/api/2.0/sql/warehouses"
_PAGE_SIZE = 100  # the largest that clusters/list gives
_JOBS_PAGE_SIZE = _RUNS_PAGE_SIZE = 25  # with tasks
_EVENTS_PAGE_SIZE = 500
_GONE = (400, 404)
_QUERIES_PAGE_SIZE = 500  # below 1000, and asking for metrics of many is slow
_QUERIES_PAGES = 20  # of one time at most, else less is asked for at once
_ABOUT_PAGES = {"next_page_token", "prev_page_token", "has_more", "has_next_page", "total_count"}  # of an empty list
_NO_TOKEN = "a page token that is no text"  # noqa: S105 a message
_DOWN_AFTER = 4  # so many clusters in a row without an answer: the workspace is down, not these clusters


@dataclass(frozen=True)
class ApiSettings:
    """How a workspace's API is called: the fields of the deployment file, times in seconds.

    `api_waiting_seconds` ends the retries of one request, `budget_seconds` one call of a method of `WorkspaceApi` with
    all its requests and with what the caller does between the answers.
    """

    thread_pool_size: int = 4
    requests_per_second: float = 10.0
    request_seconds: float = 60.0
    api_waiting_seconds: float = 300.0
    budget_seconds: float = 3600.0
    proxy_host: str | None = None
    proxy_port: int | None = None
    proxy_user_name: str | None = None
    proxy_password: str | None = field(default=None, repr=False)
    enable_unsafe_ssl: bool = False

    @property
    def proxy_url(self) -> str | None:
        """The proxy with its user and password, or None without a proxy."""
        if not (self.proxy_host and self.proxy_port):
            return None
        user = ""
        if self.proxy_user_name and self.proxy_password:
            user = f"{quote(self.proxy_user_name, safe='')}:{quote(self.proxy_password, safe='')}@"
        return f"http://{user}{self.proxy_host}:{self.proxy_port}"


_DEFAULTS = ApiSettings()
_K = TypeVar("_K")
_R = TypeVar("_R")


@dataclass(frozen=True)
class Listing:
    """An endpoint that gives all objects of a kind in one answer, and the property of the answer that they are in."""

    path: str
    field: str


LIBRARIES = Listing("/api/2.0/libraries/all-cluster-statuses", "statuses")
POLICIES = Listing("/api/2.0/policies/clusters/list", "policies")
INSTANCE_PROFILES = Listing("/api/2.0/instance-profiles/list", "instance_profiles")
INIT_SCRIPTS = Listing("/api/2.0/global-init-scripts", "scripts")


@dataclass(frozen=True)
class ApiFailure:
    """Why one object, mostly a cluster, was not described, or its events not all given; others are not concerned.

    `http_code` is None where no answer came at all; `error_code` and `raw_response` are "" where there was none.
    """

    object_id: str
    http_code: int | None
    error_code: str
    message: str
    raw_response: str

    @property
    def says_gone(self) -> bool:
        """Whether the workspace knows no such object, or no longer."""
        return self.http_code in _GONE and "does not exist" in self.message.lower()


@dataclass(frozen=True)
class Span:
    """Whose events are asked for, and of when: epoch ms, the end exclusive."""

    cluster_id: str
    from_ms: int
    until_ms: int


@dataclass(frozen=True)
class Times:
    """Which queries are asked for, by when they started: epoch ms, the end exclusive."""

    from_ms: int
    until_ms: int


@dataclass(frozen=True)
class EventsRead:
    """Events of one cluster, by page; `failure`: why there are no more of them."""

    span: Span
    pages: Sequence[Sequence[Any]]
    failure: ApiFailure | None


class RateLimiter:
    """A token bucket that threads share: `per_second` requests on average, a second's worth of them at once."""

    def __init__(self, per_second: float) -> None:
        self._per_second = per_second
        self._size = max(1.0, per_second)
        self._tokens = self._size
        self._counted_at = self._paused_until = time.monotonic()
        self._lock = threading.Lock()

    def reserve(self) -> float:
        """Take the next free place; returns the seconds to wait for it."""
        with self._lock:
            now = time.monotonic()
            self._tokens = min(self._size, self._tokens + (now - self._counted_at) * self._per_second) - 1
            self._counted_at = now
            return max(0.0, -self._tokens / self._per_second, self._paused_until - now)

    def pause(self, seconds: float) -> None:
        """Let nobody send for so long: the workspace asked for it."""
        with self._lock:
            self._paused_until = max(self._paused_until, time.monotonic() + seconds)


@functools.cache
def _limiter(host: str, per_second: float) -> RateLimiter:
    """Return the one limiter that a workspace has in this process."""
    return RateLimiter(per_second)


class WorkspaceApi:
    """Reads what one workspace says of itself. A context manager; closing it closes its connections.

    Args:
        client: any signed-in SDK client, as dagster-databricks's `DatabricksClientResource` gives one. Only its host
            and credentials are used.
        workspace: how messages call the workspace, its name and id.
        secret: how messages call the reference to its token, never the token.
        settings: limits, proxy and TLS.
    """

    def __init__(
        self, client: "WorkspaceClient", *, workspace: str, secret: str, settings: ApiSettings = _DEFAULTS
    ) -> None:
        self._config = client.config
        self._name = f"Workspace {workspace} ({client.config.host})"
        self._secret = secret
        self._settings = settings
        self._limiter = _limiter(str(client.config.host), settings.requests_per_second)
        self._api, self._adapter = _sdk_api(client.config, settings)

    @classmethod
    def with_token(
        cls, host: str, token: str, *, workspace: str, secret: str, settings: ApiSettings = _DEFAULTS
    ) -> Self:
        """Connect to the workspace at `host` with a personal access token.

        Raises:
            SourceError: `host` is empty, or `token` cannot be one.
        """
        if not host:
            raise SourceError(f"Workspace {workspace} has no api_url: set it in the deployment file.")
        if not re.fullmatch(r"[\x21-\x7e]+", token):
            raise SourceError(
                f"Workspace {workspace} has no usable token: what {secret} refers to is empty or has blanks, line "
                "ends or characters that no token has; store the token alone."
            )
        from databricks.sdk import WorkspaceClient  # noqa: PLC0415 slow to import

        # The kind of credentials and no profile, so that nothing of another workspace is taken from the environment.
        client = WorkspaceClient(host=host, token=token, auth_type="pat", profile="")
        return cls(client, workspace=workspace, secret=secret, settings=settings)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections that are kept open between requests."""
        self._adapter.close()

    def list_clusters(self) -> Iterator[dict[str, Any]]:
        """Give the bodies of all pinned and active clusters and of those that ended within the last 30 days.

        A cluster may come twice if the list changes between two of its pages.

        Raises:
            SourceError: a page could not be read; clusters of earlier pages have been given by then.
        """
        return self._list(_LIST, {"page_size": _PAGE_SIZE}, "clusters")

    def list_pools(self) -> Iterator[dict[str, Any]]:
        """Give the bodies of all instance pools.

        Raises:
            SourceError: they could not be read.
        """
        return self._list(_POOLS, {}, "instance_pools")

    def list_warehouses(self) -> Iterator[dict[str, Any]]:
        """Give the bodies of all SQL warehouses.

        Raises:
            SourceError: a page could not be read; warehouses of earlier pages have been given by then.
        """
        return self._list(_WAREHOUSES, {}, "warehouses")

    def list_jobs(self) -> Iterator[dict[str, Any]]:
        """Give the bodies of all jobs with their tasks.

        A job may come twice if the list changes between two of its pages.

        Raises:
            SourceError: a page could not be read; jobs of earlier pages have been given by then.
        """
        return self._list(_JOBS, {"limit": _JOBS_PAGE_SIZE, "expand_tasks": "true"}, "jobs")

    def list_all(self, listing: Listing) -> Iterator[dict[str, Any]]:
        """Give the bodies of all objects of a kind.

        Raises:
            SourceError: they could not be read.
        """
        return self._list(listing.path, {}, listing.field)

    def list_tokens(self) -> "tuple[list[dict[str, Any]], bool]":
        """Give what is known of the access tokens, and whether those are all of the workspace's.

        Only an admin may ask for all; anybody else is told their own.

        Raises:
            SourceError: they could not be read.
        """
        with suppress(_NotAllowed):
            return list(self._list(_ALL_TOKENS, {}, "token_infos", may_refuse=True)), True
        return list(self._list(_OWN_TOKENS, {}, "token_infos")), False

    def list_runs(self, from_ms: int, until_ms: int) -> Iterator[dict[str, Any]]:
        """Give the bodies of the runs of jobs that started in a time, the end exclusive, with their tasks.

        Databricks knows runs for 60 days. A run may come twice if others start between two pages.

        Raises:
            SourceError: a page could not be read; runs of earlier pages have been given by then.
        """
        started = {"start_time_from": from_ms, "start_time_to": until_ms - 1}  # the workspace includes both
        return self._list(_RUNS, {"limit": _RUNS_PAGE_SIZE, "expand_tasks": "true", **started}, "runs")

    def get_runs(self, run_ids: Iterable[int]) -> Iterator[dict[str, Any] | ApiFailure]:
        """Give for each distinct id, in the order given, the body of the run of a job or why there is none.

        Raises:
            SourceError: the workspace as a whole does not answer; what was answered before has been given by then.
        """
        for run_id, body, refusal in self._each(_RUN, dict.fromkeys(run_ids), self._run):
            yield body if refusal is None else refusal.of(str(run_id))

    def _list(
        self, path: str, query: dict[str, Any], field: str, *, may_refuse: bool = False
    ) -> Iterator[dict[str, Any]]:
        never = threading.Event()
        deadline = time.monotonic() + self._settings.budget_seconds
        seen = set()
        read = 0
        while True:
            try:
                page = self._read(_Request("GET", path, query=query), deadline, never)
            except _Refusal as refusal:
                if may_refuse and refusal.http_code == 403 and not refusal.whole_workspace:
                    raise _NotAllowed from None
                self._fail(path, refusal)
            found = page.get(field, [] if page.keys() <= _ABOUT_PAGES and not page.get("total_count") else None)
            if not isinstance(found, list):
                raise SourceError(f"{self._name} answered {path} without '{field}': check api_url.")
            yield from found
            read += len(found)
            following = page.get("next_page_token")
            if following and not isinstance(following, str):
                raise SourceError(f"{self._name} answered {path} with {_NO_TOKEN}: load it again later.")
            if not following or page.get("has_more") is False:
                total = page.get("total_count")
                if isinstance(total, int) and total > read:
                    raise SourceError(f"{self._name} answered {path} with {read} of {total}: load it again.")
                if page.get("has_more"):
                    raise SourceError(
                        f"{self._name} answered {path} without the token of its next page: load it again."
                    )
                return
            if following in seen:
                raise SourceError(f"{self._name} answered {path} with the same page again: load it again later.")
            seen.add(following)
            query = {**query, "page_token": following}

    def get_clusters(self, cluster_ids: Iterable[str]) -> Iterator[dict[str, Any] | ApiFailure]:
        """Give for each distinct id, in the order given, the cluster's body or why there is none.

        Databricks describes clusters up to 60 days after their end. A request without a good answer after all its
        retries is a failure of its cluster, unless several in a row had none.

        Raises:
            SourceError: the workspace as a whole does not answer; what was answered before has been given by then.
        """
        for cluster_id, body, refusal in self._each(_GET, dict.fromkeys(cluster_ids), self._cluster):
            yield body if refusal is None else refusal.of(cluster_id)

    def cluster_events(self, spans: Iterable[Span]) -> Iterator[EventsRead]:
        """Give for each span, in the order given, the cluster's events as the workspace has them, oldest page first.

        What was read before a page could not be is given with the failure. A page that leads back to an earlier one,
        one that leaves events out, and a list that ends early are failures.

        Raises:
            SourceError: the workspace as a whole does not answer; what was answered before has been given by then.
        """
        for span, pages, refusal in self._each(_EVENTS, spans, self._events):
            yield EventsRead(span, pages, None if refusal is None else refusal.of(span.cluster_id))

    def sql_queries(self, times: Iterable[Times]) -> Iterator[dict[str, Any]]:
        """Give the bodies of all queries that started in some times, with their metrics; one may come twice.

        There is no limit to their number: a time of which there are too many pages, or which takes the workspace too
        long, is halved until each part fits.

        Raises:
            SourceError: some of them could not be read; others have been given by then.
        """
        for _, found, refusal in self._each(_QUERIES, times, self._queries):
            if refusal is not None:
                self._fail(_QUERIES, refusal)
            yield from found

    def _each(
        self, path: str, items: Iterable[_K], read: "Callable[[_K, float, threading.Event], tuple[_R, _Refusal | None]]"
    ) -> "Iterator[tuple[_K, _R, _Refusal | None]]":
        """Read many things side by side; give them in order."""
        deadline = time.monotonic() + self._settings.budget_seconds
        threads = self._settings.thread_pool_size
        stop = threading.Event()
        pending: deque[tuple[_K, Future[tuple[_R, _Refusal | None]]]] = deque()
        unanswered = 0

        def next_answer() -> "tuple[_K, _R, _Refusal | None]":
            nonlocal unanswered
            item, future = pending.popleft()
            answer, refusal = future.result()
            unanswered = unanswered + 1 if refusal is not None and refusal.transient else 0
            if refusal is not None:
                if refusal.whole_workspace or unanswered == _DOWN_AFTER:
                    self._fail(path, refusal)
                logger.info("%s did not answer %s for %s: %s", self._name, path, item, refusal.detail)
            return item, answer, refusal

        with ThreadPoolExecutor(threads, thread_name_prefix="workspace-api") as pool:
            try:
                for item in items:
                    pending.append((item, pool.submit(read, item, deadline, stop)))
                    if len(pending) >= 4 * threads:  # enough to keep the threads busy, however many there are
                        yield next_answer()
                while pending:
                    yield next_answer()
            finally:
                stop.set()
                pool.shutdown(cancel_futures=True)

    def _cluster(
        self, cluster_id: str, deadline: float, stop: threading.Event
    ) -> "tuple[dict[str, Any], _Refusal | None]":
        return self._one(_GET, "cluster_id", cluster_id, deadline, stop)

    def _run(self, run_id: int, deadline: float, stop: threading.Event) -> "tuple[dict[str, Any], _Refusal | None]":
        return self._one(_RUN, "run_id", run_id, deadline, stop)

    def _one(
        self, path: str, key: str, value: str | int, deadline: float, stop: threading.Event
    ) -> "tuple[dict[str, Any], _Refusal | None]":
        try:
            body = self._read(_Request("GET", path, query={key: value}), deadline, stop)
        except _Refusal as refusal:
            return {}, refusal
        return body, _Refusal(f"the answer of {path} has no {key}", http_code=200) if key not in body else None

    def _events(self, span: Span, deadline: float, stop: threading.Event) -> "tuple[list[list[Any]], _Refusal | None]":
        asked: dict[str, Any] = {
            "cluster_id": span.cluster_id,
            "start_time": span.from_ms,
            "end_time": span.until_ms,
            "order": "ASC",
            "limit": _EVENTS_PAGE_SIZE,
        }
        pages: list[list[Any]] = []
        before: list[Mapping[str, Any]] = []
        try:
            while True:
                page = self._read(_Request("POST", _EVENTS, body=asked), deadline, stop)
                pages.append(_events_of(page))
                before.append(asked)
                following = _following_events(page, before, sum(map(len, pages)))
                if following is None:
                    return pages, None
                asked = following
        except _Refusal as refusal:
            return pages, refusal

    def _queries(
        self, times: Times, deadline: float, stop: threading.Event
    ) -> "tuple[list[dict[str, Any]], _Refusal | None]":
        found: list[dict[str, Any]] = []
        rest = [times]
        try:
            while rest:
                part = rest.pop()
                queries = self._queries_of(part, deadline, stop)
                if queries is None:
                    middle = (part.from_ms + part.until_ms) // 2
                    rest += [Times(middle, part.until_ms), Times(part.from_ms, middle)]
                else:
                    found += queries
        except _Refusal as refusal:
            return found, refusal
        return found, None

    def _queries_of(self, times: Times, deadline: float, stop: threading.Event) -> list[dict[str, Any]] | None:
        """Return the queries of a time; None: less has to be asked for at once."""
        can_halve = times.until_ms - times.from_ms > 1
        same = {"max_results": _QUERIES_PAGE_SIZE, "include_metrics": "true"}
        # From a millisecond before, because it is not said whether a bound counts.
        asked: dict[str, Any] = same | {
            "filter_by.query_start_time_range.start_time_ms": times.from_ms - 1,
            "filter_by.query_start_time_range.end_time_ms": times.until_ms,
        }
        found: list[dict[str, Any]] = []
        tokens: set[str] = set()
        while True:
            try:
                page = self._read(_Request("GET", _QUERIES, query=asked), deadline, stop, less_helps=can_halve)
            except _Refusal as refusal:
                # A token that the workspace takes no more has expired: fewer pages are read sooner.
                if can_halve and (refusal.took_too_long or (tokens and refusal.http_code == 400)):
                    return None
                raise
            queries = page.get("res", [] if page.keys() <= _ABOUT_PAGES else None)
            if not isinstance(queries, list):
                raise _Refusal("an answer without 'res'", http_code=200)
            found += [q for q in queries if _is_asked_for(q, times)]
            token = page.get("next_page_token")
            if token and not isinstance(token, str):
                raise _Refusal(_NO_TOKEN, http_code=200, remedy="load it again later")
            if not token or page.get("has_next_page") is False:
                if page.get("has_next_page"):
                    raise _Refusal("an answer without the token of its next page", http_code=200)
                return found
            if token in tokens:
                raise _Refusal("the same page again", http_code=200)
            tokens.add(token)
            if can_halve and len(tokens) == _QUERIES_PAGES:
                return None
            asked = {**same, "page_token": token}

    def _read(
        self, request: "_Request", deadline: float, stop: threading.Event, *, less_helps: bool = False
    ) -> dict[str, Any]:
        """Return the good answer to a request, or raise a `_Refusal` once trying again is no use.

        `less_helps`: a time-out is not tried again, because the caller then asks for less.
        """
        seconds = min(self._settings.api_waiting_seconds, deadline - time.monotonic())
        if seconds <= 0:
            raise SourceError(
                f"{self._name} was not read to its end within {self._settings.budget_seconds:g} s: load it again, with "
                "a larger thread_pool_size if its answers are slow."
            )
        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception(
                lambda error: (
                    isinstance(error, _Refusal) and error.transient and not (less_helps and error.took_too_long)
                )
            ),
            wait=_pause,
            sleep=tenacity.sleep_using_event(stop),
            stop=tenacity.stop_any(tenacity.stop_before_delay(seconds), tenacity.stop_when_event_set(stop)),
            reraise=True,
        )
        return retrying(self._attempt, request, stop)

    def _attempt(self, request: "_Request", stop: threading.Event) -> dict[str, Any]:
        if stop.wait(self._limiter.reserve()):
            raise _Refusal("the load was ended")
        exchange = _Exchange(self._config)
        try:
            body = self._api.do(
                request.method,
                request.path,
                query=request.query,
                headers={"Accept": "application/json"},
                body=request.body,
                auth=exchange,
            )
        except _WorthRetrying as again:
            refusal = self._refusal(exchange, again.error, sdk_would_retry=True)
        # The SDK's and requests' errors are OSErrors or ValueErrors; a body that is a bare number is a TypeError there.
        except (OSError, ValueError, TypeError) as error:
            refusal = self._refusal(exchange, error, sdk_would_retry=False)
        else:
            # The SDK makes an empty object of null, 0 and an empty list.
            said = exchange.response.content.lstrip(b"\xef\xbb\xbf \t\r\n") if exchange.response is not None else b""
            if isinstance(body, dict) and said.startswith(b"{"):
                return body
            refusal = _Refusal("an answer that is no JSON object", http_code=200, whole_workspace=True)
        if refusal.http_code == 429:
            self._limiter.pause(min(refusal.retry_after or 0.0, self._settings.api_waiting_seconds))
        logger.debug("%s, %s %s: %s", self._name, request.method, request.path, refusal.detail)
        raise refusal  # not in the handlers: the SDK's errors may quote request headers, which hold the token

    def _refusal(self, exchange: "_Exchange", error: BaseException, *, sdk_would_retry: bool) -> "_Refusal":
        """Say what an attempt's failure means, without any secret in it."""
        from databricks.sdk.core import DatabricksError  # noqa: PLC0415 slow to import

        if isinstance(error, DatabricksError) and exchange.response is not None and not exchange.response.ok:
            return self._bad_answer(exchange.response, sdk_would_retry=sdk_would_retry)
        return self._no_answer(error, sdk_would_retry=sdk_would_retry)

    def _bad_answer(self, response: "Response", *, sdk_would_retry: bool) -> "_Refusal":
        status = response.status_code
        code, message = (self._without_secrets(text) for text in _error_of(response))
        transient = sdk_would_retry or status >= 500
        # Databricks answers an invalid or expired token with 401, or with 403 and no error code but the number.
        bad_token = status == 401 or (status == 403 and code in ("", "403") and "token" in message.lower())
        no_such_endpoint = status == 404 and code in ("", "ENDPOINT_NOT_FOUND")
        if bad_token:
            remedy = f"renew the token that {self._secret} refers to"
        elif status == 403:
            remedy = (
                f"give the owner of the token that {self._secret} refers to this right on the {_objects_of(response)}"
            )
        elif status == 404:
            remedy = "check api_url"
        elif status == 407:
            remedy = "check the proxy settings"
        else:
            remedy = "load it again later"
        return _Refusal(
            f"HTTP {status} {message}" if code in ("", str(status)) else f"HTTP {status} {code}: {message}",
            remedy=remedy,
            http_code=status,
            error_code=code,
            message=message,
            raw_response=self._without_secrets(response.text),
            retry_after=_retry_after(response),
            transient=transient,
            whole_workspace=bad_token or no_such_endpoint or status == 407,
        )

    def _no_answer(self, error: BaseException, *, sdk_would_retry: bool) -> "_Refusal":
        from requests import exceptions  # noqa: PLC0415 slow to import

        reason = self._without_secrets(_root_of(error))
        transient = sdk_would_retry
        detail, remedy = f"no connection, {reason}", "check api_url and the network, then load it again"
        if isinstance(error, _SignInFailed):
            detail, remedy = f"sign-in failed, {reason}", f"check the credentials that {self._secret} refers to"
        elif isinstance(error, exceptions.SSLError):
            detail, remedy = f"no trusted connection, {reason}", "add its issuer to the file of REQUESTS_CA_BUNDLE"
            transient = False
        elif isinstance(error, exceptions.ProxyError) and "407" in reason:
            detail, remedy = "HTTP 407 Proxy Authentication Required", "check the proxy settings"
            transient = False
        elif isinstance(error, exceptions.Timeout):
            detail, remedy = f"no answer within {self._settings.request_seconds:g} s", "load it again later"
        elif isinstance(error, exceptions.ChunkedEncodingError):
            detail, remedy, transient = f"an answer cut short, {reason}", "load it again later", True
        elif isinstance(error, exceptions.JSONDecodeError | TypeError):
            detail, remedy = "an answer that is no JSON object", "check api_url"
        timed_out = isinstance(error, exceptions.Timeout)
        return _Refusal(detail, remedy=remedy, transient=transient, whole_workspace=not transient, timed_out=timed_out)

    def _fail(self, path: str, refusal: "_Refusal") -> NoReturn:
        within = f" within {self._settings.api_waiting_seconds:g} s" if refusal.transient else ""
        asked = f", asking to wait {refusal.retry_after:g} s" if refusal.retry_after else ""
        raise SourceError(
            f"{self._name} did not answer {path}{within} ({refusal.detail.rstrip('.')}{asked}): {refusal.remedy}."
        ) from None

    def _without_secrets(self, text: str) -> str:
        secrets = [getattr(self._config, a.name) for a in self._config.attributes() if getattr(a, "sensitive", False)]
        for secret in (*secrets, self._settings.proxy_password):
            if secret:
                text = text.replace(str(secret), "***")
        return text


@dataclass(frozen=True)
class _Request:
    method: str
    path: str
    query: dict[str, Any] | None = None
    body: dict[str, Any] | None = None


def _is_asked_for(query: Any, times: Times) -> bool:
    """Whether a query is not one of the milliseconds around the time; any other answer is for the caller to judge."""
    at = query.get("query_start_time_ms") if isinstance(query, dict) else None
    return at not in (times.from_ms - 1, times.until_ms)


def _events_of(page: Mapping[str, Any]) -> list[Any]:
    events = page.get("events", [])
    if not isinstance(events, list):
        raise _Refusal("an answer whose events are no list", http_code=200)
    return events


def _following_events(page: Mapping[str, Any], before: Sequence[Mapping[str, Any]], read: int) -> dict[str, Any] | None:
    """Return what asks for the next page of events; None after the last one.

    The workspace says it itself; one that gives a token instead is asked with that.

    Raises:
        _Refusal: events would be left out, or pages read for ever.
    """
    following = page.get("next_page")
    if not (isinstance(following, dict) and following):
        token = page.get("next_page_token")
        following = {**before[0], "page_token": token} if token else None
    if following is None:
        total = page.get("total_count")  # 0 where it is not counted
        if isinstance(total, int) and total > read:
            raise _Refusal(f"the events end after {read} of {total}", http_code=200)
        return None
    offset, last = _offset(following), _offset(before[-1])
    if offset is not None and offset > read:
        raise _Refusal(f"page {len(before) + 1} begins at event {offset}, after {read} events", http_code=200)
    if following in before or (offset is not None and offset <= (last or 0)):
        raise _Refusal(f"page {len(before)} leads back to an earlier page", http_code=200)
    return following


def _offset(asked: Mapping[str, Any]) -> int | None:
    text = str(asked.get("offset"))
    return int(text) if text.isdecimal() else None


class _Refusal(Exception):  # noqa: N818 an answer, not an error: the caller decides whether it is one
    """An attempt that brought no body. It holds no secret."""

    def __init__(
        self,
        detail: str,
        *,
        remedy: str = "check api_url",
        http_code: int | None = None,
        error_code: str = "",
        message: str | None = None,
        raw_response: str = "",
        retry_after: float | None = None,
        transient: bool = False,
        whole_workspace: bool = False,
        timed_out: bool = False,
    ) -> None:
        super().__init__(detail)
        self.detail = detail
        self.remedy = remedy
        self.http_code = http_code
        self.error_code = error_code
        self.message = detail if message is None else message
        self.raw_response = raw_response
        self.retry_after = retry_after
        self.transient = transient
        self.whole_workspace = whole_workspace
        self.timed_out = timed_out

    @property
    def took_too_long(self) -> bool:
        """Whether the workspace, or the way to it, gave up on a request that asks for much."""
        return self.timed_out or self.http_code in (408, 504) or self.error_code == "DEADLINE_EXCEEDED"

    def of(self, object_id: str) -> ApiFailure:
        return ApiFailure(object_id, self.http_code, self.error_code, self.message, self.raw_response)


class _NotAllowed(Exception):  # noqa: N818 an answer, as `_Refusal`
    """The token's owner may not ask for that."""


class _WorthRetrying(Exception):  # noqa: N818 the SDK's judgement of an error, not an error
    def __init__(self, error: BaseException) -> None:
        super().__init__()
        self.error = error


class _SignInFailed(ValueError):  # noqa: N818 what happened, as the other classes here; a ValueError is not retried
    pass


class _Exchange:
    """The SDK's `auth` of one attempt: adds the credentials and keeps the response, whose status the SDK drops."""

    def __init__(self, config: "Config") -> None:
        self._config = config
        self.response: Response | None = None

    def __call__(self, request: "PreparedRequest") -> "PreparedRequest":
        try:
            request.headers.update(self._config.authenticate())
        except Exception as error:  # noqa: BLE001 each kind of sign-in raises the errors of its own library
            raise _SignInFailed(_root_of(error)) from None
        request.register_hook("response", self._keep)
        return request

    def _keep(self, response: "Response", **_: object) -> None:
        self.response = response


_BACKOFF = tenacity.wait_random_exponential(multiplier=0.5, max=10)
_SPREAD = tenacity.wait_random(0, 0.25)  # so that waiting threads do not all come back at once


def _pause(state: tenacity.RetryCallState) -> float:
    """Return the seconds until the next attempt: what the workspace asked for, else longer each time up to 10 s."""
    refusal = state.outcome.exception() if state.outcome else None
    if isinstance(refusal, _Refusal) and refusal.retry_after is not None:
        return refusal.retry_after + _SPREAD(state)
    return _BACKOFF(state)


def _retry_after(response: "Response") -> float | None:
    """Return the seconds of `Retry-After`; None without one or for a date, which Databricks does not send."""
    value = response.headers.get("Retry-After", "").strip()
    return float(value) if value.isdecimal() else None


def _objects_of(response: "Response") -> str:
    """Name the kind of objects that a request was about."""
    first, *more = urlsplit(response.url).path.split("/")[3:]
    return (f"SQL {more[0]}" if first == "sql" and more else first).replace("-", " ")


def _error_of(response: "Response") -> tuple[str, str]:
    """Return error code and message of an error body; no code and the HTTP reason where it is not Databricks' JSON."""
    try:
        body = response.json()
    except ValueError:
        return "", response.reason
    if not isinstance(body, dict):
        return "", response.reason
    return str(body.get("error_code") or ""), str(body.get("message") or body.get("error") or response.reason)


def _root_of(error: BaseException) -> str:
    """Name the innermost cause, in one line: urllib3 wraps a refused connection four times."""
    while (inner := error.__cause__ or error.__context__) is not None:
        error = inner
    return f"{type(error).__name__}: {error}".replace("\n", " ")


def _sdk_api(config: "Config", settings: ApiSettings) -> "tuple[ApiClient, HTTPAdapter]":
    """Return the SDK's HTTP client with the credentials of `config`, and the adapter that it sends through."""
    from databricks.sdk.clock import RealClock  # noqa: PLC0415 slow to import
    from databricks.sdk.core import ApiClient, Config  # noqa: PLC0415 slow to import
    from databricks.sdk.credentials_provider import CredentialsStrategy  # noqa: PLC0415 slow to import
    from requests.adapters import HTTPAdapter  # noqa: PLC0415 slow to import

    class OneAttempt(RealClock):
        """Sleeps for nobody: the SDK's retry loop ends where it wants to wait, with the error it wants to retry."""

        def sleep(self, seconds: float) -> None:
            error = sys.exception()
            if error is not None:
                raise _WorthRetrying(error)
            super().sleep(seconds)

    class Route(HTTPAdapter):
        """Sends through the workspace's proxy and with its TLS checks, whatever the environment says."""

        def send(self, request: Any, **options: Any) -> Any:  # type: ignore[override]  # passes all of them on
            if settings.proxy_url:
                options["proxies"] = {"http": settings.proxy_url, "https": settings.proxy_url}
            elif urlsplit(request.url).hostname == "127.0.0.1":  # the sample workspace, which no proxy reaches
                options["proxies"] = {}
            if settings.enable_unsafe_ssl:
                options["verify"] = False
            return super().send(request, **options)

    class SameCredentials(CredentialsStrategy):
        def auth_type(self) -> str:
            return config.auth_type or "unknown"

        def __call__(self, cfg: Config) -> Callable[[], dict[str, str]]:
            return config.authenticate

    api = ApiClient(
        Config(
            host=config.host,
            credentials_strategy=SameCredentials(),
            auth_type=config.auth_type,
            profile="",
            http_timeout_seconds=settings.request_seconds,
            clock=OneAttempt(),
            product="overwatch-assets",
            product_version=__version__,
        )
    )
    adapter = Route(pool_maxsize=settings.thread_pool_size, pool_block=True)
    session = api._api_client._session  # noqa: SLF001 the SDK has no setting for a proxy, and ignores its skip_verify
    session.mount("https://", adapter)
    session.mount("http://", adapter)
    return api, adapter
