import csv
import datetime as dt
import re
from pathlib import Path

import pytest

from overwatch_assets.config.deployment import Workspace
from overwatch_assets.config.prices import PriceBook, price_book, shipped_rows
from overwatch_assets.errors import ConfigurationError
from overwatch_assets.rules.prices import Kind, normal
from overwatch_assets_tests.config.test_deployment import workspace

HEADER = "table,key,Compute_Contract_Price,contract_price,factor,activeFrom,activeUntil,currency\n"
SIZE = Kind.WAREHOUSE
LISTS = ("aws.csv", "azure.csv", "gcp.csv")


def with_file(folder: Path, rows: str, header: str = HEADER, **fields: object) -> Workspace:
    file = folder / "prices.csv"
    file.write_text(header + rows)
    return workspace(prices=str(file), **fields)


def refused(folder: Path, rows: str, header: str = HEADER) -> list[str]:
    with pytest.raises(ConfigurationError) as error:
        price_book(with_file(folder, rows, header))
    return str(error.value).replace(f"{folder}/", "").splitlines()


def of(book: PriceBook, kind: Kind, key: str) -> list[tuple[float | None, str, str | None]]:
    name = {Kind.INSTANCE: "Compute_Contract_Price", Kind.DBU: "contract_price", Kind.PHOTON: "factor"}[kind]
    return [
        (r.values[name], str(r.active_from), r.active_until and str(r.active_until))
        for r in book.of(kind)
        if normal(r.key) == key
    ]


def test_defaults_are_overwatch_s_and_apply_from_the_primordial_date() -> None:
    book = price_book(workspace())
    assert [(r.key, r.values["contract_price"], r.active_from, r.active_until) for r in book.of(Kind.DBU)] == [
        ("automated", 0.15, dt.date(2024, 4, 1), None),
        ("interactive", 0.55, dt.date(2024, 4, 1), None),
        ("jobsLight", 0.1, dt.date(2024, 4, 1), None),
        ("sqlCompute", 0.22, dt.date(2024, 4, 1), None),
        ("sqlPro", 0.55, dt.date(2024, 4, 1), None),
        ("sqlServerless", 0.7, dt.date(2024, 4, 1), None),
    ]
    assert book.of(Kind.DBU)[0].source == "automated_dbu_price's default"
    assert [(r.key, r.values["factor"]) for r in book.of(Kind.PHOTON)] == [
        ("automated", 2.9),
        ("interactive", 2.0),
        ("jobsLight", 2.0),
        ("sqlCompute", 1.0),
    ]


def test_prices_of_the_deployment_file() -> None:
    book = price_book(workspace(jobs_light_dbu_price="0.07"))
    (light,) = [r for r in book.of(Kind.DBU) if r.key == "jobsLight"]
    assert (light.values["contract_price"], light.source) == (0.07, "the deployment file's jobs_light_dbu_price")


def test_pro_and_serverless_warehouses_have_rates_of_their_own() -> None:
    given = price_book(workspace(sql_pro_dbu_price="0.5", cloud="GCP", auditlogprefix_source_path="/audit"))
    pro, serverless = (r for r in given.of(Kind.DBU) if r.key in ("sqlPro", "sqlServerless"))
    assert (pro.values["contract_price"], pro.source) == (0.5, "the deployment file's sql_pro_dbu_price")
    assert (serverless.values["contract_price"], serverless.source_date) == (0.88, dt.date(2026, 4, 1))


def test_sizes_of_warehouses(tmp_path: Path) -> None:
    """Several sizes have one node type as their driver's, so that can't be a key; GCP has rows too."""
    nine = [4, 6, 12, 24, 40, 80, 144, 272, 528]
    drivers = ("i3.2xlarge", "i3.2xlarge", "i3.4xlarge", "i3.8xlarge", "i3.8xlarge", *["i3.16xlarge"] * 4)
    sizes = {r.key: r.values for r in price_book(workspace(cloud="AWS", auditlogprefix_source_path="/a")).of(SIZE)}
    assert sorted(v["total_dbus"] for v in sizes.values()) == nine
    assert sorted(v["worker_count"] for v in sizes.values()) == [1, 2, 4, 8, 16, 32, 64, 128, 256]
    assert sorted(v["driver_size"] for v in sizes.values()) == sorted(drivers)
    assert sizes["Small"] == {
        "driver_size": "i3.4xlarge",
        "worker_size": "i3.2xlarge",
        "worker_count": 4,
        "total_dbus": 12,
    }
    google = price_book(workspace(cloud="GCP", auditlogprefix_source_path="/a")).of(SIZE)
    assert [r.values["total_dbus"] for r in google] == [None] * 9, "not known, and not 0"
    header = "table,key,driver_size,total_dbus,activeFrom\n"
    book = price_book(with_file(tmp_path, "warehouse,SMALL,,14,2024-05-02\nwarehouse,5X-Large,,,2024-04-01\n", header))
    own = [(r.key, r.values["total_dbus"], r.values["driver_size"], str(r.active_from)) for r in book.of(SIZE)]
    assert [row for row in own if "mall" in row[0].lower() and "x" not in row[0].lower()] == [
        ("Small", 12, "Standard_E16ds_v4", "2024-04-01"),
        ("SMALL", 14, "Standard_E16ds_v4", "2024-05-02"),
    ]
    assert ("5X-Large", None, None, "2024-04-01") in own
    assert refused(tmp_path, "warehouse,Small,,1.5,2024-04-01\n", header) == [
        "prices.csv:2: warehouse Small: total_dbus must be a whole number, 0 or more, not '1.5'"
    ]


def test_a_price_file(tmp_path: Path) -> None:
    rows = (
        "dbu,interactive,,0.6,,2024-05-02,,USD\n"
        "\n"
        "instance, STANDARD_DS3_V2 ,0.2,,,2024-05-03,,usd\n"
        "photon,automated,,,2,2024-01-01,2024-06-01\n"
        "photon,automated,,,2.9,2024-06-01\n"
    )
    book = price_book(with_file(tmp_path, rows))
    assert of(book, Kind.DBU, "interactive") == [(0.55, "2024-04-01", "2024-05-02"), (0.6, "2024-05-02", None)]
    assert of(book, Kind.INSTANCE, "standard_ds3_v2") == [
        (0.293, "2024-04-01", "2024-05-03"),
        (0.2, "2024-05-03", None),
    ]
    assert of(book, Kind.PHOTON, "automated") == [(2.0, "2024-01-01", "2024-06-01"), (2.9, "2024-06-01", None)]
    assert of(book, Kind.DBU, "automated") == [(0.15, "2024-04-01", None)]


def test_a_file_can_stand_for_the_whole_list(tmp_path: Path) -> None:
    book = price_book(with_file(tmp_path, "instance,*\ninstance,mine,1,,,2024-04-01\n"))
    assert [(r.key, r.values["Compute_Contract_Price"]) for r in book.of(Kind.INSTANCE)] == [("mine", 1.0)]
    assert len(book.of(Kind.DBU)) == 6


def test_every_wrong_cell_is_named(tmp_path: Path) -> None:
    rows = (
        "dbu,interactive,,0.6,,2024-05-02,,EUR\n"
        "model,x,,,,2024-05-02\n"
        "instance,,1,,,2024-05-02\n"
        "instance,m5.xlarge,cheap,0.1,,2024-5-2\n"
        "dbu,automated,,-1,,\n"
        "instance,*,1\n"
        "dbu,automated,,1,,2024-05-02,,,more\n"
        "dbu,jobsLight,,nan,,2024-02-30\n"
    )
    assert refused(tmp_path, rows) == [
        "prices.csv:2: dbu interactive: currency must be USD, not 'EUR'",
        "prices.csv:3: model x: table must be instance, dbu, photon, warehouse",
        "prices.csv:4: instance: has no key",
        "prices.csv:5: instance m5.xlarge: Compute_Contract_Price must be a number, 0 or more, not 'cheap'",
        "prices.csv:5: instance m5.xlarge: contract_price is not a column of instance rows",
        "prices.csv:5: instance m5.xlarge: activeFrom must be a day as yyyy-MM-dd, not '2024-5-2'",
        "prices.csv:6: dbu automated: contract_price must be a number, 0 or more, not '-1'",
        "prices.csv:6: dbu automated: has no activeFrom",
        "prices.csv:7: instance *: has no other values, so not Compute_Contract_Price",
        "prices.csv:8: has 9 values for 8 columns",
        "prices.csv:9: dbu jobsLight: contract_price must be a number, 0 or more, not 'nan'",
        "prices.csv:9: dbu jobsLight: activeFrom must be a day as yyyy-MM-dd, not '2024-02-30'",
    ]


def test_a_cpu_count_is_whole(tmp_path: Path) -> None:
    assert refused(tmp_path, "instance,x,2.5,2024-04-01\n", "table,key,vCPUs,activeFrom\n") == [
        "prices.csv:2: instance x: vCPUs must be a whole number, 0 or more, not '2.5'"
    ]


def test_wrong_dates_come_with_wrong_cells(tmp_path: Path) -> None:
    rows = "dbu,interactive,,0.6,,2024-05-02,2024-05-04\ndbu,automated,,x,,2024-05-02\n"
    assert refused(tmp_path, rows) == [
        "prices.csv:3: dbu automated: contract_price must be a number, 0 or more, not 'x'",
        "prices.csv:2: dbu interactive: has no active row: its last one, from 2024-05-02, ends on 2024-05-04",
    ]


def test_a_file_with_a_gap_and_one_with_an_overlap_are_refused(tmp_path: Path) -> None:
    gap = "dbu,automated,,0.2,,2024-04-01,2024-05-01\ndbu,automated,,0.3,,2024-05-02\n"
    overlap = "photon,automated,,,2,2024-04-01,2024-05-03\nphoton,automated,,,3,2024-05-02\n"
    assert refused(tmp_path, gap + overlap) == [
        (
            "prices.csv:2: dbu automated: has a gap: the row from 2024-04-01 ends on 2024-05-01, the next one, at "
            "prices.csv:3, begins on 2024-05-02"
        ),
        (
            "prices.csv:4: photon automated: has an overlap: the row from 2024-04-01 ends on 2024-05-03, the next one, at "
            "prices.csv:5, begins on 2024-05-02"
        ),
    ]


def test_wrong_headers(tmp_path: Path) -> None:
    assert refused(tmp_path, "x\n", "table,kee,key,key,contractprice\n") == [
        "prices.csv:1: the column activeFrom is missing",
        "prices.csv:1: 'kee' is not a column of a price file; did you mean key?",
        "prices.csv:1: the column key is given twice",
        "prices.csv:1: 'contractprice' is not a column of a price file; did you mean contract_price?",
    ]
    assert refused(tmp_path, "", "\n") == ["prices.csv: the price file is empty"]
    assert refused(tmp_path, '"', "table,key,activeFrom\n") == [
        "prices.csv:2: is not valid CSV: unexpected end of data"
    ]


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"none\.csv: the price file does not exist"):
        price_book(workspace(prices=str(tmp_path / "none.csv")))


def test_the_shipped_lists() -> None:
    assert [len(shipped_rows(name)) for name in LISTS] == [220, 114, 88]
    keys = [(name, normal(row["API_Name"])) for name in LISTS for row in shipped_rows(name)]
    assert len(set(keys)) == len(keys)
    for name in LISTS:
        for row in shipped_rows(name):
            assert row["API_Name"] == row["API_Name"].strip() != ""
            assert int(row["vCPUs"]) > 0
            assert float(row["Memory_GB"]) > 0
            assert float(row["On_Demand_Cost_Hourly"]) > 0
            assert row["Hourly_DBUs"] == "" or float(row["Hourly_DBUs"]) > 0
            assert all(re.fullmatch(r"https://\S+", address) for address in row["price_source"].split(" "))
            assert dt.date(2020, 1, 1) < dt.date.fromisoformat(row["price_date"])


@pytest.mark.parametrize(
    ("name", "node", "expected"),
    [
        ("aws.csv", "m5.xlarge", ("4", "16", "0.69", "0.192")),
        ("aws.csv", "i3.2xlarge", ("8", "61", "2", "0.624")),
        ("aws.csv", "r5d.4xlarge", ("16", "128", "3.6", "1.152")),
        ("azure.csv", "Standard_DS3_v2", ("4", "14", "0.75", "0.293")),
        ("azure.csv", "Standard_E64ds_v4", ("64", "504", "16", "4.608")),
        ("gcp.csv", "n2-highmem-8", ("8", "64", "", "0.524056")),
        ("gcp.csv", "n1-highcpu-16", ("16", "14.4", "", "0.5667888")),
    ],
)
def test_some_published_numbers(name: str, node: str, expected: tuple[str, ...]) -> None:
    (row,) = [row for row in shipped_rows(name) if row["API_Name"] == node]
    assert (row["vCPUs"], row["Memory_GB"], row["Hourly_DBUs"], row["On_Demand_Cost_Hourly"]) == expected


def test_unknown_is_null_and_not_zero() -> None:
    book = price_book(workspace(cloud="GCP", auditlogprefix_source_path="gs://audit/x"))
    assert {r.values["Hourly_DBUs"] for r in book.of(Kind.INSTANCE)} == {None}


def test_the_shipped_lists_are_plain_csv() -> None:
    folder = Path(__file__).parents[2] / "overwatch_assets" / "prices"
    for name in (*LISTS, "photon.csv"):
        rows = list(csv.reader((folder / name).read_text(encoding="utf-8").splitlines()))
        assert {len(row) for row in rows} == {len(rows[0])}
