"""What a workspace's REST API knows: its objects as JSON bodies, unknown fields included, whole lists, many at a time.

Rules: the endpoints' pages in the REST API reference.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self, TypeVar

from overwatch_assets.errors import SourceError
from overwatch_assets.sources.rest import ApiSettings, Refusal, Request, Rest

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

    @classmethod
    def of(cls, object_id: str, refusal: Refusal) -> Self:
        """Return why an object was refused."""
        return cls(object_id, refusal.http_code, refusal.error_code, refusal.message, refusal.raw_response)

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


class WorkspaceApi:
    """Reads what one workspace says of itself. A context manager; closing it closes its connections.

    `budget_seconds` of the settings ends one call of a method with all its requests and with what the caller does
    between the answers.
    """

    def __init__(self, rest: Rest) -> None:
        self._rest = rest

    @classmethod
    def with_token(
        cls, host: str, token: str, *, workspace: str, secret: str, settings: ApiSettings = _DEFAULTS
    ) -> Self:
        """Connect to the workspace at `host` with a personal access token.

        Raises:
            SourceError: `host` is empty, or `token` cannot be one.
        """
        return cls(Rest.with_token(host, token, workspace=workspace, secret=secret, settings=settings))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections that are kept open between requests."""
        self._rest.close()

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
            yield body if refusal is None else ApiFailure.of(str(run_id), refusal)

    def _list(
        self, path: str, query: dict[str, Any], field: str, *, may_refuse: bool = False
    ) -> Iterator[dict[str, Any]]:
        never = threading.Event()
        deadline = time.monotonic() + self._rest.settings.budget_seconds
        seen = set()
        read = 0
        while True:
            try:
                page = self._rest.read(Request("GET", path, query=query), deadline, never)
            except Refusal as refusal:
                if may_refuse and refusal.http_code == 403 and not refusal.whole_workspace:
                    raise _NotAllowed from None
                self._rest.fail(path, refusal)
            found = page.get(field, [] if page.keys() <= _ABOUT_PAGES and not page.get("total_count") else None)
            if not isinstance(found, list):
                raise SourceError(f"{self._rest.name} answered {path} without '{field}': check api_url.")
            yield from found
            read += len(found)
            following = page.get("next_page_token")
            if following and not isinstance(following, str):
                raise SourceError(f"{self._rest.name} answered {path} with {_NO_TOKEN}: load it again later.")
            if not following or page.get("has_more") is False:
                total = page.get("total_count")
                if isinstance(total, int) and total > read:
                    raise SourceError(f"{self._rest.name} answered {path} with {read} of {total}: load it again.")
                if page.get("has_more"):
                    raise SourceError(
                        f"{self._rest.name} answered {path} without the token of its next page: load it again."
                    )
                return
            if following in seen:
                raise SourceError(f"{self._rest.name} answered {path} with the same page again: load it again later.")
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
            yield body if refusal is None else ApiFailure.of(cluster_id, refusal)

    def cluster_events(self, spans: Iterable[Span]) -> Iterator[EventsRead]:
        """Give for each span, in the order given, the cluster's events as the workspace has them, oldest page first.

        What was read before a page could not be is given with the failure. A page that leads back to an earlier one,
        one that leaves events out, and a list that ends early are failures.

        Raises:
            SourceError: the workspace as a whole does not answer; what was answered before has been given by then.
        """
        for span, pages, refusal in self._each(_EVENTS, spans, self._events):
            yield EventsRead(span, pages, None if refusal is None else ApiFailure.of(span.cluster_id, refusal))

    def sql_queries(self, times: Iterable[Times]) -> Iterator[dict[str, Any]]:
        """Give the bodies of all queries that started in some times, with their metrics; one may come twice.

        There is no limit to their number: a time of which there are too many pages, or which takes the workspace too
        long, is halved until each part fits.

        Raises:
            SourceError: some of them could not be read; others have been given by then.
        """
        for _, found, refusal in self._each(_QUERIES, times, self._queries):
            if refusal is not None:
                self._rest.fail(_QUERIES, refusal)
            yield from found

    def _each(
        self, path: str, items: Iterable[_K], read: "Callable[[_K, float, threading.Event], tuple[_R, Refusal | None]]"
    ) -> "Iterator[tuple[_K, _R, Refusal | None]]":
        """Read many things side by side; give them in order."""
        deadline = time.monotonic() + self._rest.settings.budget_seconds
        threads = self._rest.settings.thread_pool_size
        stop = threading.Event()
        pending: deque[tuple[_K, Future[tuple[_R, Refusal | None]]]] = deque()
        unanswered = 0

        def next_answer() -> "tuple[_K, _R, Refusal | None]":
            nonlocal unanswered
            item, future = pending.popleft()
            answer, refusal = future.result()
            unanswered = unanswered + 1 if refusal is not None and refusal.transient else 0
            if refusal is not None:
                if refusal.whole_workspace or unanswered == _DOWN_AFTER:
                    self._rest.fail(path, refusal)
                logger.info("%s did not answer %s for %s: %s", self._rest.name, path, item, refusal.detail)
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
    ) -> "tuple[dict[str, Any], Refusal | None]":
        return self._one(_GET, "cluster_id", cluster_id, deadline, stop)

    def _run(self, run_id: int, deadline: float, stop: threading.Event) -> "tuple[dict[str, Any], Refusal | None]":
        return self._one(_RUN, "run_id", run_id, deadline, stop)

    def _one(
        self, path: str, key: str, value: str | int, deadline: float, stop: threading.Event
    ) -> "tuple[dict[str, Any], Refusal | None]":
        try:
            body = self._rest.read(Request("GET", path, query={key: value}), deadline, stop)
        except Refusal as refusal:
            return {}, refusal
        return body, Refusal(f"the answer of {path} has no {key}", http_code=200) if key not in body else None

    def _events(self, span: Span, deadline: float, stop: threading.Event) -> "tuple[list[list[Any]], Refusal | None]":
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
                page = self._rest.read(Request("POST", _EVENTS, body=asked), deadline, stop)
                pages.append(_events_of(page))
                before.append(asked)
                following = _following_events(page, before, sum(map(len, pages)))
                if following is None:
                    return pages, None
                asked = following
        except Refusal as refusal:
            return pages, refusal

    def _queries(
        self, times: Times, deadline: float, stop: threading.Event
    ) -> "tuple[list[dict[str, Any]], Refusal | None]":
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
        except Refusal as refusal:
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
                page = self._rest.read(Request("GET", _QUERIES, query=asked), deadline, stop, less_helps=can_halve)
            except Refusal as refusal:
                # A token that the workspace takes no more has expired: fewer pages are read sooner.
                if can_halve and (refusal.took_too_long or (tokens and refusal.http_code == 400)):
                    return None
                raise
            queries = page.get("res", [] if page.keys() <= _ABOUT_PAGES else None)
            if not isinstance(queries, list):
                raise Refusal("an answer without 'res'", http_code=200)
            found += [q for q in queries if _is_asked_for(q, times)]
            token = page.get("next_page_token")
            if token and not isinstance(token, str):
                raise Refusal(_NO_TOKEN, http_code=200, remedy="load it again later")
            if not token or page.get("has_next_page") is False:
                if page.get("has_next_page"):
                    raise Refusal("an answer without the token of its next page", http_code=200)
                return found
            if token in tokens:
                raise Refusal("the same page again", http_code=200)
            tokens.add(token)
            if can_halve and len(tokens) == _QUERIES_PAGES:
                return None
            asked = {**same, "page_token": token}


def _is_asked_for(query: Any, times: Times) -> bool:
    """Whether a query is not one of the milliseconds around the time; any other answer is for the caller to judge."""
    at = query.get("query_start_time_ms") if isinstance(query, dict) else None
    return at not in (times.from_ms - 1, times.until_ms)


def _events_of(page: Mapping[str, Any]) -> list[Any]:
    events = page.get("events", [])
    if not isinstance(events, list):
        raise Refusal("an answer whose events are no list", http_code=200)
    return events


def _following_events(page: Mapping[str, Any], before: Sequence[Mapping[str, Any]], read: int) -> dict[str, Any] | None:
    """Return what asks for the next page of events; None after the last one.

    The workspace says it itself; one that gives a token instead is asked with that.

    Raises:
        Refusal: events would be left out, or pages read for ever.
    """
    following = page.get("next_page")
    if not (isinstance(following, dict) and following):
        token = page.get("next_page_token")
        following = {**before[0], "page_token": token} if token else None
    if following is None:
        total = page.get("total_count")  # 0 where it is not counted
        if isinstance(total, int) and total > read:
            raise Refusal(f"the events end after {read} of {total}", http_code=200)
        return None
    offset, last = _offset(following), _offset(before[-1])
    if offset is not None and offset > read:
        raise Refusal(f"page {len(before) + 1} begins at event {offset}, after {read} events", http_code=200)
    if following in before or (offset is not None and offset <= (last or 0)):
        raise Refusal(f"page {len(before)} leads back to an earlier page", http_code=200)
    return following


def _offset(asked: Mapping[str, Any]) -> int | None:
    text = str(asked.get("offset"))
    return int(text) if text.isdecimal() else None


class _NotAllowed(Exception):  # noqa: N818 an answer, as `Refusal`
    """The token's owner may not ask for that."""
