"""How the sample's server lists what changes seldom, runs of jobs, SQL warehouses and queries.

An answer is a status and a body. Fields and limits: Databricks' REST API reference.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from overwatch_assets.sample.page_tokens import of_token, token

if TYPE_CHECKING:
    from overwatch_assets.sample.server import Known

Answer = tuple[int, Mapping[str, Any]]
Body = Mapping[str, Any]
Query = Mapping[str, str]

_LARGEST_RUNS_PAGE, _RUNS_PAGE = 25, 20
_LARGEST_QUERIES_PAGE, _QUERIES_PAGE = 999, 100
_WAREHOUSES_PAGE = 100
_STARTED = "filter_by.query_start_time_range."
_TASKS = ("tasks", "job_clusters")
_SHOWN_TO_OWNERS = ("token_id", "creation_time", "expiry_time", "comment")
_ENDED = ("TERMINATED", "SKIPPED", "INTERNAL_ERROR")


def whole(field: str, of: "Callable[[Known], Sequence[Body]]") -> "Callable[[Known, Query], Answer]":
    """Return the answers of an endpoint that gives everything at once; without anything, an empty object."""

    def answer(known: "Known", _: Query) -> Answer:
        found = list(of(known))
        return 200, {field: found} if found else {}

    return answer


def policies(known: "Known", _: Query) -> Answer:
    """Answer all cluster policies and how many those are; without any, the number alone."""
    found = list(known.policies)
    return 200, ({"policies": found} if found else {}) | {"total_count": len(found)}


def all_tokens(known: "Known", _: Query) -> Answer:
    """Answer all tokens, to an admin."""
    if not known.is_admin:
        return 403, {"error_code": "PERMISSION_DENIED", "message": "Only admins may list the tokens of others."}
    return 200, {"token_infos": list(known.tokens)} if known.tokens else {}


def own_tokens(known: "Known", _: Query) -> Answer:
    """Answer the caller's tokens, with little of what is known of each."""
    own = [t for t in known.tokens if t.get("created_by_username") == known.caller]
    shown = [{name: value for name, value in t.items() if name in _SHOWN_TO_OWNERS} for t in own]
    return 200, {"token_infos": shown} if shown else {}


def runs(known: "Known", query: Query) -> Answer:
    """Answer one page of the runs, the newest first; a token names the run before the page.

    Both ends of the time of their starts are included. Filters by job, kind and completion are ignored.
    """
    size = query.get("limit", str(_RUNS_PAGE))
    if not (size.isdecimal() and int(size) <= _LARGEST_RUNS_PAGE):
        return _invalid(f"limit must be an integer from 0 to {_LARGEST_RUNS_PAGE}, but is '{size}'.")
    limit = int(size) or _LARGEST_RUNS_PAGE
    try:
        before = tuple(of_token("runs", query["page_token"])) if query.get("page_token") else None
        first, last = int(query.get("start_time_from", 0)), int(query.get("start_time_to", 2**62))
    except ValueError:
        return _invalid("Invalid page token or start time.")
    rest = sorted(
        (
            run
            for run in known.runs
            if first <= run["start_time"] <= last
            and (before is None or _newest_first(run) > before)
            and (query.get("active_only") != "true" or run["state"]["life_cycle_state"] not in _ENDED)
        ),
        key=_newest_first,
    )
    found = rest[:limit]
    page: dict[str, Any] = {"has_more": len(rest) > limit}
    if found:
        with_tasks = query.get("expand_tasks") == "true"
        page["runs"] = [r if with_tasks else {n: v for n, v in r.items() if n not in _TASKS} for r in found]
    if page["has_more"]:
        page["next_page_token"] = token("runs", *_newest_first(found[-1]))
    return 200, page


def run(known: "Known", query: Query) -> Answer:
    """Answer one run."""
    run_id = query.get("run_id")
    if not run_id:
        return _invalid("Missing required field: run_id")
    found = next((r for r in known.runs if str(r["run_id"]) == run_id), None)
    return _invalid(f"Run {run_id} does not exist.") if found is None else (200, found)


def queries(known: "Known", query: Query) -> Answer:
    """Answer one page of the queries that started in a time, the newest first; a token holds that time."""
    size = query.get("max_results", str(_QUERIES_PAGE))
    if not (size.isdecimal() and 1 <= int(size) <= _LARGEST_QUERIES_PAGE):
        return _invalid(f"max_results must be an integer from 1 to {_LARGEST_QUERIES_PAGE}, but is '{size}'.")
    page_token = query.get("page_token", "")
    if page_token and any(name.startswith("filter_by") for name in query):
        return _invalid("A filter can't be given with a page_token.")
    try:
        start, end, offset = (
            of_token("queries", page_token)
            if page_token
            else (
                int(query.get(f"{_STARTED}start_time_ms", 0)),
                int(query.get(f"{_STARTED}end_time_ms", 2**62)),
                0,
            )
        )
    except ValueError:
        return _invalid("Invalid page token or time.")
    found = sorted(
        (q for q in known.queries if start <= q.get("query_start_time_ms", start) <= end),
        key=lambda q: (-q.get("query_start_time_ms", 0), str(q.get("query_id"))),
    )
    page: dict[str, Any] = {"has_next_page": offset + int(size) < len(found)}
    res = found[offset : offset + int(size)]
    if res:
        whole = query.get("include_metrics") == "true"
        page["res"] = [q if whole else {name: value for name, value in q.items() if name != "metrics"} for q in res]
    if page["has_next_page"]:
        page["next_page_token"] = token("queries", start, end, offset + int(size))
    return 200, page


def warehouses(known: "Known", query: Query) -> Answer:
    """Answer one page of all SQL warehouses, in the order given; a hundred unless `page_size` says so."""
    size, page_token = query.get("page_size", "0"), query.get("page_token", "")
    if not size.isdecimal():
        return _invalid(f"page_size must be an integer of 0 or more, but is '{size}'.")
    try:
        (start,) = of_token("warehouses", page_token) if page_token else (0,)
    except ValueError:
        return _invalid("Invalid page token.")
    count = int(size) or _WAREHOUSES_PAGE
    found = list(known.warehouses)[start : start + count]
    page: dict[str, Any] = {"warehouses": found} if found else {}
    if start + count < len(known.warehouses):
        page["next_page_token"] = token("warehouses", start + count)
    return 200, page


def _newest_first(run: Body) -> tuple[int, int]:
    return -int(run["start_time"]), -int(run["run_id"])


def _invalid(message: str) -> Answer:
    return 400, {"error_code": "INVALID_PARAMETER_VALUE", "message": message}
