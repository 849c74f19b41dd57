"""What `sql/history/queries` and verbose audit logs say of the story's SQL queries. Fields: Databricks' references."""

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from overwatch_assets.sample.story import ANALYST, DAY, DAYS, FINANCE, FIRST_MS, HOUR, MINUTE, SampleWorkspace, User
from overwatch_assets.sample.warehouses import warehouses


@dataclass(frozen=True)
class Query:
    """A query on a SQL warehouse, `[started_ms, ended_ms)`."""

    query_id: str
    warehouse_id: str
    text: str
    kind: str
    user: User
    started_ms: int
    ended_ms: int
    status: str = "FINISHED"
    error: str | None = None


_TEXTS = (
    ("SELECT region, sum(amount) FROM sales.orders GROUP BY region", "SELECT", ANALYST),
    ("SELECT count(*) FROM sales.orders WHERE day = current_date()", "SELECT", ANALYST),
    ("INSERT INTO finance.daily SELECT day, sum(amount) FROM sales.orders GROUP BY day", "INSERT", FINANCE),
    ("SHOW TABLES IN finance", "SHOW", FINANCE),
)


def warehouse_id(workspace: SampleWorkspace) -> str:
    """Give the id of the warehouse that people's queries run on."""
    return warehouses(workspace.workspace_id)[0].warehouse_id


def story_of(workspace: SampleWorkspace) -> Iterator[Query]:
    """Tell all queries: each day some short ones, one that fails, one that is cancelled, one that goes on at the look.

    That one begins before 23:00 and ends within the next half hour; on the second day another one ends after midnight.
    """
    chance = random.Random(f"queries {workspace.workspace_id}")  # noqa: S311 - a story
    on = warehouse_id(workspace)

    def query(at: int, lasts: int, which: int, **how: Any) -> Query:
        text, kind, user = _TEXTS[which]
        number = f"{chance.getrandbits(128):032x}"
        query_id = "-".join(number[a:b] for a, b in ((0, 8), (8, 12), (12, 16), (16, 20), (20, 32)))
        return Query(query_id, on, text, kind, user, at, at + lasts, **how)

    for day in range(len(DAYS)):
        morning = FIRST_MS + day * DAY + 9 * HOUR
        for number in range(6):
            at = morning + number * 40 * MINUTE + chance.randrange(20 * MINUTE)
            yield query(at, chance.randrange(400, 90_000), number % len(_TEXTS))
        yield query(
            morning + 5 * HOUR,
            1_200,
            1,
            status="FAILED",
            error="[TABLE_OR_VIEW_NOT_FOUND] sales.orders cannot be found.",
        )
        yield query(morning + 6 * HOUR, 4 * MINUTE, 0, status="CANCELED")
        yield query(FIRST_MS + day * DAY + 22 * HOUR + 55 * MINUTE, 25 * MINUTE, 2)
    yield query(FIRST_MS + 2 * DAY - 6 * MINUTE, 11 * MINUTE, 2)


def queries(workspace: SampleWorkspace, now_ms: int) -> list[dict[str, Any]]:
    """Give the bodies of the queries that have started at a moment."""
    return [_body(query, now_ms) for query in story_of(workspace) if query.started_ms <= now_ms]


def _body(query: Query, now_ms: int) -> dict[str, Any]:
    ended = query.ended_ms <= now_ms
    lasted = min(query.ended_ms, now_ms) - query.started_ms
    body: dict[str, Any] = {
        "query_id": query.query_id,
        "status": query.status if ended else "RUNNING",
        "is_final": ended,
        "query_text": query.text,
        "statement_type": query.kind,
        "query_start_time_ms": query.started_ms,
        "user_id": query.user.user_id,
        "user_name": query.user.email,
        "executed_as_user_id": query.user.user_id,
        "executed_as_user_name": query.user.email,
        "endpoint_id": query.warehouse_id,
        "warehouse_id": query.warehouse_id,
        "lookup_key": f"CAM{query.query_id[:8]}",
        "channel_used": {"name": "CHANNEL_NAME_CURRENT", "dbsql_version": "2024.15"},
        "duration": lasted,
        "metrics": _metrics(query, lasted) if ended else {"total_time_ms": lasted},
    }
    if ended:
        body |= {"query_end_time_ms": query.ended_ms, "execution_end_time_ms": query.ended_ms - lasted // 20}
    if ended and query.status == "FINISHED":
        body["rows_produced"] = lasted % 97 + 1
    if ended and query.error:
        body["error_message"] = query.error
    return body


def _metrics(query: Query, lasted: int) -> dict[str, Any]:
    read = lasted * 40_960
    return {
        "total_time_ms": lasted,
        "compilation_time_ms": lasted // 10,
        "execution_time_ms": lasted - lasted // 10 - lasted // 20,
        "result_fetch_time_ms": lasted // 20,
        "task_total_time_ms": lasted * 6,
        "photon_total_time_ms": lasted * 5,
        "read_bytes": read,
        "read_remote_bytes": read - read // 4,
        "read_cache_bytes": read // 4,
        "write_remote_bytes": read // 8 if query.kind == "INSERT" else 0,
        "spill_to_disk_bytes": 0,
        "network_sent_bytes": read // 100,
        "pruned_bytes": read * 2,
        "pruned_files_count": 24,
        "read_files_count": 12,
        "read_partitions_count": 3,
        "rows_read_count": lasted * 50,
        "rows_produced_count": lasted % 97 + 1,
        "result_from_cache": False,
    }


def submissions(workspace: SampleWorkspace) -> Iterator[tuple[int, str, Mapping[str, str]]]:
    """Give the `commandSubmit` of each query: its time, who, and its parameters."""
    for query in story_of(workspace):
        said = {"commandId": query.query_id, "commandText": query.text, "warehouseId": query.warehouse_id}
        yield query.started_ms - 150, query.user.email, said
