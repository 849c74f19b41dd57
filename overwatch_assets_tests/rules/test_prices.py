import datetime as dt

import pytest

from overwatch_assets.rules.prices import Given, Kind, Price, in_force, size_key, with_nodes

SINCE = dt.date(2024, 5, 1)


def day(number: int, month: int = 5) -> dt.date:
    return dt.date(2024, month, number)


def dbu(
    price: float | None, start: dt.date, until: dt.date | None = None, key: str = "interactive", line: int = 2
) -> Price:
    return Price(Kind.DBU, key, {"contract_price": price}, start, until, "contract", None, f"p.csv:{line}")


SHIPPED = [Price(Kind.DBU, "interactive", {"contract_price": 0.55}, SINCE, source="default")]


def node(key: str = "m5.xlarge", start: dt.date = SINCE, source: str = "list", **values: float) -> Price:
    known = {"vCPUs": None, "Compute_Contract_Price": None, "On_Demand_Cost_Hourly": None, "Hourly_DBUs": None}
    return Price(Kind.INSTANCE, key, {**known, **values}, start, source=source)


def dates(rows: list[Price]) -> list[tuple[float | None, dt.date, dt.date | None, bool]]:
    return [(r.values["contract_price"], r.active_from, r.active_until, r.is_active) for r in rows]


def problems(*rows: Price, shipped: list[Price] = SHIPPED) -> list[str]:
    return in_force(shipped, Given(rows), since=SINCE)[1]


def test_a_price_changes_by_a_dated_row_whatever_the_day_of_the_run() -> None:
    rows, wrong = in_force(SHIPPED, Given([dbu(0.7, day(5)), dbu(0.6, day(2))]), since=SINCE)
    assert wrong == []
    assert dates(rows) == [
        (0.55, SINCE, day(2), False),
        (0.6, day(2), day(5), False),
        (0.7, day(5), None, True),
    ]


def test_a_row_from_the_primordial_date_or_before_takes_the_place_of_what_is_shipped() -> None:
    for start in (SINCE, day(1, 1)):
        rows, wrong = in_force(SHIPPED, Given([dbu(0.6, start)]), since=SINCE)
        assert (dates(rows), wrong) == ([(0.6, start, None, True)], [])


def test_a_row_ends_on_the_day_on_which_the_next_begins() -> None:
    before, after = in_force(SHIPPED, Given([dbu(0.6, day(2))]), since=SINCE)[0]
    assert (before.applies_on(day(1)), before.applies_on(day(2)), after.applies_on(day(2))) == (True, False, True)
    assert before.active_until == after.active_from == day(2)
    assert after.active_until is None


def test_keys_are_compared_trimmed_and_in_lower_case_and_skus_spelled_as_overwatch_does() -> None:
    rows, wrong = in_force(SHIPPED, Given([dbu(0.6, day(2), key=" InterActive ")]), since=SINCE)
    assert ([r.key for r in rows], wrong) == (["interactive", "interactive"], [])


def test_shipped_rows_of_a_table_can_be_left_out() -> None:
    given = Given([node("a", source="mine", Hourly_DBUs=1.0)], frozenset({Kind.INSTANCE}))
    rows, wrong = in_force([*SHIPPED, node("a", vCPUs=4), node("b")], given, since=SINCE)
    assert wrong == []
    assert [(r.key, r.values.get("vCPUs"), r.source) for r in rows] == [
        ("a", None, "mine"),
        ("interactive", None, "default"),
    ]


def test_an_empty_value_is_that_of_the_row_before_and_its_source_is_named_too() -> None:
    shipped = [node(vCPUs=4, Hourly_DBUs=0.69, On_Demand_Cost_Hourly=0.192, Compute_Contract_Price=0.192)]
    given = Given(
        [
            node(start=day(2), source="mine", Compute_Contract_Price=0.15),
            node(start=day(4), source="later", Hourly_DBUs=0.0),
        ]
    )
    rows, wrong = in_force(shipped, given, since=SINCE)
    assert wrong == []
    assert [(r.values["vCPUs"], r.values["Compute_Contract_Price"], r.values["Hourly_DBUs"]) for r in rows] == [
        (4, 0.192, 0.69),
        (4, 0.15, 0.69),
        (4, 0.15, 0.0),
    ]
    assert [r.source for r in rows] == ["list", "mine list", "later mine list"]


def test_the_contract_price_of_a_node_is_the_list_price_until_it_is_said() -> None:
    (row,), _ = in_force([], Given([node(On_Demand_Cost_Hourly=0.2)]), since=SINCE)
    assert row.values["Compute_Contract_Price"] == 0.2
    (row,), _ = in_force([], Given([node(vCPUs=4)]), since=SINCE)
    assert row.values["Compute_Contract_Price"] is None


def test_a_new_list_price_is_paid_until_a_contract_price_is_said() -> None:
    given = [
        node(start=day(3), On_Demand_Cost_Hourly=0.5),
        node(start=day(5), On_Demand_Cost_Hourly=0.9),
        node(start=day(7), Compute_Contract_Price=0.4),
        node(start=day(9), On_Demand_Cost_Hourly=1.0),
    ]
    rows, _ = in_force([node(On_Demand_Cost_Hourly=0.3)], Given(given), since=SINCE)
    paid = [(r.values["On_Demand_Cost_Hourly"], r.values["Compute_Contract_Price"]) for r in rows]
    assert paid == [(0.3, 0.3), (0.5, 0.5), (0.9, 0.9), (0.9, 0.4), (1.0, 0.4)]


def test_gaps_are_found_also_between_inactive_rows() -> None:
    # The original looked at the active row alone, so a gap before it went unnoticed.
    rows = (dbu(0.5, SINCE, day(3), line=2), dbu(0.6, day(4), day(9), line=3), dbu(0.7, day(9), line=4))
    assert problems(*rows) == [
        (
            "p.csv:2: dbu interactive: has a gap: the row from 2024-05-01 ends on 2024-05-03, the next one, at p.csv:3, "
            "begins on 2024-05-04"
        )
    ]


def test_a_gap_from_the_primordial_date() -> None:
    assert problems(dbu(0.6, day(2)), shipped=[]) == [
        (
            "p.csv:2: dbu interactive: has a gap from 2024-05-01, the workspace's primordial date, to 2024-05-02, where its "
            "first row begins"
        )
    ]


def test_overlaps() -> None:
    assert problems(dbu(0.5, SINCE, day(5), line=2), dbu(0.6, day(4), line=3)) == [
        (
            "p.csv:2: dbu interactive: has an overlap: the row from 2024-05-01 ends on 2024-05-05, the next one, at p.csv:3, "
            "begins on 2024-05-04"
        )
    ]


def test_two_rows_of_a_day() -> None:
    assert problems(dbu(0.5, day(2), line=2), dbu(0.6, day(2), line=3)) == [
        "p.csv:2: dbu interactive: has two rows from 2024-05-02, the other at p.csv:3"
    ]


def test_the_last_row_has_no_end_and_none_ends_before_it_begins() -> None:
    assert problems(dbu(0.5, day(2), day(4))) == [
        "p.csv:2: dbu interactive: has no active row: its last one, from 2024-05-02, ends on 2024-05-04"
    ]
    assert problems(dbu(0.5, day(4), day(2))) == [
        "p.csv:2: dbu interactive: the row from 2024-05-04 ends before it begins, on 2024-05-02"
    ]


def test_unknown_skus_and_missing_prices() -> None:
    assert problems(dbu(0.5, day(2), key="serverless")) == [
        (
            "p.csv:2: dbu serverless: there is no such sku; the skus are interactive, automated, sqlCompute, sqlPro, "
            "sqlServerless, jobsLight"
        ),
        (
            "p.csv:2: dbu serverless: has a gap from 2024-05-01, the workspace's primordial date, to 2024-05-02, where its "
            "first row begins"
        ),
    ]
    assert problems(dbu(None, SINCE), shipped=[]) == [
        "p.csv:2: dbu interactive: the row from 2024-05-01 has no contract_price"
    ]


def test_every_key_is_looked_at() -> None:
    wrong = problems(dbu(0.5, day(2), day(4)), dbu(0.5, SINCE, day(4), key="automated", line=9))
    assert [line.split(": ")[0] for line in wrong] == ["p.csv:9", "p.csv:2"]


@pytest.mark.parametrize(
    ("said", "key"),
    [
        ("Small", "small"),
        (" X-Small ", "x-small"),
        ("2X-Small", "2x-small"),
        ("2X_SMALL", "2x-small"),
        ("XXSMALL", "2x-small"),
        ("XSMALL", "x-small"),
        ("XLARGE", "x-large"),
        ("XXXXLARGE", "4x-large"),
        ("5X-Large", "5x-large"),
        ("huge", "huge"),
        ("", ""),
        (None, ""),
    ],
)
def test_every_spelling_of_a_size_is_one_key(said: str | None, key: str) -> None:
    assert size_key(said) == key


def test_a_size_is_cut_where_a_price_of_its_nodes_changes() -> None:
    values = {"driver_size": "Big", "worker_size": "small", "worker_count": 2, "total_dbus": 6}
    size = Price(Kind.WAREHOUSE, "XXSMALL", values, day(1), day(20))
    nodes = [
        Price(Kind.INSTANCE, "big", {"vCPUs": 8, "Compute_Contract_Price": 0.5}, day(1, 1), day(5)),
        Price(Kind.INSTANCE, "big", {"vCPUs": 8, "Compute_Contract_Price": 0.6}, day(5), day(25)),
        Price(Kind.INSTANCE, "big", {"vCPUs": 8, "Compute_Contract_Price": 0.9}, day(25)),
        Price(Kind.INSTANCE, "other", {"vCPUs": 1, "Compute_Contract_Price": 0.1}, day(7)),
    ]
    found = list(with_nodes([size], nodes))
    assert [(r.active_from, r.active_until, r.values["driver_compute_price"]) for r in found] == [
        (day(1), day(5), 0.5),
        (day(5), day(20), 0.6),
    ]
    assert {(r.values["size_key"], r.values["driver_vCPUs"], r.values["total_dbus"]) for r in found} == {
        ("2x-small", 8, 6)
    }
    assert {(r.values["worker_vCPUs"], r.values["worker_compute_price"]) for r in found} == {(None, None)}
