"""The documented views are there: database, table, key, columns in order, types."""

import pytest
from pyspark.sql import types as T

from overwatch_assets.consumer.views import names, views
from overwatch_assets.contract.registry import tables
from overwatch_assets.contract.types import spark_type
from overwatch_assets_tests.consumer.documented import Documented, documented, has

# The API says these otherwise than the documentation; both are lines of docs/differences.md.
OF_THE_API = {
    ("sqlQueryHistory", "result_from_cache"): T.BooleanType(),
    ("sqlQueryHistory", "rows_read_count"): T.LongType(),
}
VIEWS = [pytest.param(view, id=name) for name, view in documented().items()]


def test_all_views_of_the_documentation_are_known() -> None:
    assert set(documented()) <= set(names())
    of_etl = {name for name, view in documented().items() if view.database == "etl"}
    assert of_etl == {name for name, (view, _) in views().items() if view.of_etl}
    assert (len(documented()), len(of_etl)) == (23, 3), "20 for consumers, two of accounts, and the pipeline's report"


@pytest.mark.parametrize("view", VIEWS)
def test_documented_columns_are_the_first_with_their_types(view: Documented) -> None:
    ours, table = views()[view.name]
    assert table.name == view.table
    assert ours.columns[: len(view.columns)] == tuple(view.columns)
    columns = {**table.by_name, **{name: column for name, (column, _) in ours.computed.items()}}
    types = {n: OF_THE_API.get((view.name, n), kind) for n, kind in view.columns.items()}
    assert {n: columns[n].type for n, kind in types.items() if not has(spark_type(columns[n].type), kind)} == {}


@pytest.mark.parametrize("view", VIEWS)
def test_documented_keys_are_ours(view: Documented) -> None:
    assert set(names()[view.name].keys) == set(view.instead or (*view.key, *view.further))


def test_what_a_view_leaves_out_is_what_overwatch_s_leaves_out() -> None:
    def left_out(table: str) -> set[str]:
        contract = tables()[table]
        assert contract.view is not None
        return {c.name for c in contract.columns} - set(contract.view.columns)

    own = {"month", "Pipeline_SnapTS", "Overwatch_RunID"}
    assert left_out("job_gold") - own == {"unixTimeMS", "job_type", "job_format"}
    assert {"startEpochMS"} <= left_out("jobrun_gold")
    assert {"openRun"} <= left_out("jobruncostpotentialfact_gold")
    assert {"task_executor_metrics"} <= left_out("sparktask_gold")
    assert {"timestamp"} <= left_out("warehouse_gold")
