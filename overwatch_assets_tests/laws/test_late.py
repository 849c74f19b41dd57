"""Law 4: what arrives late heals by loading that day again, of its source and of everything downstream."""

import datetime as dt
from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import orjson
import pytest

from overwatch_assets.cli.event_logs import spark_tables
from overwatch_assets.contract.registry import tables
from overwatch_assets_tests.laws.conftest import Opens
from overwatch_assets_tests.laws.workshop import Workshop, differences, in_world, mend, stale_days
from overwatch_assets_tests.laws.worlds import (
    DAYS,
    NOW_MS,
    START_MS,
    Application,
    File,
    application,
    at,
    audit_files,
    everything,
    files_of,
    own_time,
)

pytestmark = [pytest.mark.engine, pytest.mark.timeout(600)]

_FROM_EVENTS = spark_tables()
_LOGS = [t for t in in_world() if t.name == "spark_events_bronze"] + _FROM_EVENTS


def days_of(lines: list[bytes]) -> list[dt.date]:
    """The days on which some records happened."""
    times = [t for line in lines if (t := own_time(orjson.loads(line)))]
    return sorted({dt.datetime.fromtimestamp(t / 1000, dt.UTC).date() for t in times})


def split(app: Application, is_late: Callable[[dict[str, object]], bool]) -> tuple[Application, list[bytes]]:
    """An application without some records of its second day, and those."""
    late = [
        line
        for line in app.lines
        if (own_time(orjson.loads(line)) or 0) // 86_400_000 == (START_MS // 86_400_000) + 1
        and is_late(orjson.loads(line))
    ]
    return replace(app, lines=tuple(line for line in app.lines if line not in set(late))), late


def per_day(shop: Workshop, name: str) -> "Counter[object]":
    """Rows of a table by day."""
    contract = tables()[name]
    assert contract.partition is not None
    n = contract.compared.index(contract.partition)
    counted: Counter[object] = Counter()
    for row, times in shop.rows(name).items():
        counted[row[n]] += times
    return counted


def of(*events: str) -> Callable[[dict[str, object]], bool]:
    return lambda event: str(event["Event"]).rsplit(".", 1)[-1].removeprefix("SparkListener") in events


CASES = {
    # Until its start is known, a row stands on the day of its end: days lose rows when the start arrives.
    "starts": of("JobStart", "StageSubmitted", "SQLExecutionStart", "ExecutorAdded", "TaskStart"),
    "ends": of("JobEnd", "StageCompleted", "SQLExecutionEnd", "ExecutorRemoved", "TaskEnd", "ApplicationEnd"),
    "all of a day": lambda _: True,
}


@pytest.mark.parametrize(
    ("name", "app"),
    [("starts", "stream"), ("ends", "notebooks"), pytest.param("all of a day", "stream", marks=pytest.mark.deep)],
)
def test_late_records(opens: Opens, on_time: Workshop, name: str, app: str) -> None:
    whole = application(app)
    rest, late = split(whole, CASES[name])
    assert len(late) >= 5
    shop = opens("late")
    shop.logs.put(files_of([rest]))
    shop.chain(wanted=_LOGS)
    assert stale_days(shop) == {}
    before = {t.name: per_day(shop, t.name) for t in _FROM_EVENTS}

    path = f"{whole.folder}/eventlog-2024-05-02--23-59.gz"
    shop.logs.put({**files_of([rest]), path: File(b"".join(late), NOW_MS)})
    (source,) = shop.chain([DAYS[1]], wanted=_LOGS[:1])
    assert source.counts["inserted"] == len(set(late))
    readers = {t.name for t in in_world() if "spark_events_bronze" in t.upstreams and t.layer != "bronze"}
    assert stale_days(shop) == {name: [DAYS[1]] for name in readers}

    shop.chain([DAYS[1]], wanted=_FROM_EVENTS)
    assert differences(shop, on_time, context=whole.log_id) == ""
    assert stale_days(shop) == {}
    if name == "starts":
        after = {t.name: per_day(shop, t.name) for t in _FROM_EVENTS}
        shrunk = {n for n in before if any(after[n][day] < count for day, count in before[n].items())}
        assert {"spark_jobs_silver", "sparkjob_gold", "spark_executions_silver", "sparkexecution_gold"} <= shrunk


@pytest.mark.deep
def test_a_late_file_that_reaches_over_days_names_each_of_them(opens: Opens, on_time: Workshop) -> None:
    shop = opens("days")
    files = everything()
    path = next(p for p in files if p.endswith("eventlog-2024-05-03--00-30.gz"))
    gained = days_of(files[path].lines)
    assert len(gained) > 1
    shop.logs.put({p: f for p, f in files.items() if p != path})
    shop.chain()
    shop.logs.put(files)
    shop.chain([DAYS[1]], wanted=_LOGS[:1])  # the day on which the file begins
    assert set(map(tuple, stale_days(shop).values())) == {tuple(gained)}
    mend(shop)
    assert differences(shop, on_time) == ""
    assert stale_days(shop) == {}


def test_a_late_user_names_the_jobs_of_other_days_and_a_second_one_unnames_them(opens: Opens) -> None:
    """A job group whose one user is known names its other jobs; with a second user the name is gone again."""

    def job(number: int, ms: int, **properties: str) -> bytes:
        event = {
            "Event": "SparkListenerJobStart",
            "Job ID": number,
            "Submission Time": ms,
            "Stage Infos": [],
            "Stage IDs": [],
            "Properties": {"spark.jobGroup.id": "group-1", **properties},
        }
        return orjson.dumps(event, option=orjson.OPT_APPEND_NEWLINE)

    folder = "databricks/0501-000000-grouped1/eventlog/0501-000000-grouped1_10_1_1_1/9001"
    anonymous = {f"{folder}/eventlog": File(job(1, at(2, 9)) + job(2, at(3, 9)), at(3, 9))}
    first = {f"{folder}/eventlog-2024-05-02--00-00.gz": File(job(3, at(0, 9), user="a@example.com"), NOW_MS)}
    second = {f"{folder}/eventlog-2024-05-03--00-00.gz": File(job(4, at(1, 9), user="b@example.com"), NOW_MS)}
    wanted = [tables()[n] for n in ("spark_events_bronze", "spark_jobs_silver", "sparkjob_gold")]
    shop = opens("users")

    def users() -> dict[int, str | None]:
        names = wanted[2].compared
        at_job, at_user = names.index("job_id"), names.index("user_email")
        return {row[at_job]: row[at_user] for row in shop.rows("sparkjob_gold")}

    shop.logs.put(anonymous)
    shop.chain(wanted=wanted)
    assert users() == {1: None, 2: None}
    shop.logs.put({**anonymous, **first})
    shop.chain([DAYS[0]], wanted=wanted)
    assert users() == {1: "a@example.com", 2: "a@example.com", 3: "a@example.com"}
    shop.logs.put({**anonymous, **first, **second})
    shop.chain([DAYS[1]], wanted=wanted)
    assert users() == {1: None, 2: None, 3: "a@example.com", 4: "b@example.com"}


def test_a_late_audit_day(opens: Opens, on_time: Workshop) -> None:
    shop = opens("audit")
    wanted = [t for t in in_world() if t not in _LOGS]
    files = audit_files()
    shop.logs.put({p: f for p, f in files.items() if str(DAYS[1]) not in p})
    shop.chain(wanted=wanted)
    shop.logs.put(files)
    shop.chain([DAYS[1]], wanted=wanted)
    assert differences(shop, on_time, [t.name for t in wanted]) == ""
