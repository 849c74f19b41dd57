"""The set-up examples in docs/monitoring: they can be read, and speak of the exports and of Spark's metrics as those are."""

import configparser
import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from overwatch_assets.consumer.exports import DIMENSIONS, document
from overwatch_assets_tests.consumer.test_exports import DAY, DAY_MS

DOCS = Path(__file__).parents[2] / "docs"
FOLDER = DOCS / "monitoring"
FILES = sorted(p for p in FOLDER.rglob("*") if p.is_file())

# As Spark 4.2 serves it with the settings of metrics-prometheus.properties.
SERVED = "metrics_0501_150400_7hq1tx61_driver_DAGScheduler_job_activeJobs_Value"


def exported() -> dict[str, list[str]]:
    """Names of an export's objects, by dimension."""
    row = {"organization_id": "1", "workspace_name": "w", "key": "k", "tags": None, "deleted": False, "changed": DAY_MS}
    return {d.name: list(document(d, DAY, {**row, **dict.fromkeys(d.names)})) for d in DIMENSIONS}


def parsed(path: Path) -> Any:
    match path.suffix:
        case ".yml":
            return yaml.safe_load(path.read_text("utf-8"))
        case ".json":
            return json.loads(path.read_text("utf-8"))
        case ".conf":
            conf = configparser.ConfigParser(interpolation=None)
            conf.read_string(path.read_text("utf-8"))
            return {name: dict(section) for name, section in conf.items() if name != "DEFAULT"}
        case ".properties":
            lines = [line for line in path.read_text("utf-8").splitlines() if line and not line.startswith("#")]
            return dict(line.split("=", 1) for line in lines)
    return path.read_text("utf-8")


def of(name: str) -> Any:
    return parsed(FOLDER / name)


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.relative_to(FOLDER).as_posix())
def test_a_file_can_be_read_and_is_described(path: Path) -> None:
    assert parsed(path)
    text = (DOCS / "real-time-monitoring.md").read_text("utf-8")
    assert f"(monitoring/{path.relative_to(FOLDER).as_posix()})" in text


def test_links_of_the_page_lead_somewhere() -> None:
    text = (DOCS / "real-time-monitoring.md").read_text("utf-8")
    links = re.findall(r"\]\((monitoring[^)]*)\)", text)
    assert len(links) == len(FILES) + 1
    assert [link for link in links if not (DOCS / link).exists()] == []


def test_spark_s_settings_are_spark_s() -> None:
    syntax = re.compile(r"[*a-z]+\.(sink\.\w+\.(class|path|host|port|period|unit|prefix)|source\.jvm\.class)")
    for name in ("prometheus", "graphite"):
        settings = of(f"spark/metrics-{name}.properties")
        assert all(syntax.fullmatch(key) for key in settings)
        (sink,) = [value for key, value in settings.items() if ".sink." in key and key.endswith(".class")]
        assert (
            sink == f"org.apache.spark.metrics.sink.{'PrometheusServlet' if name == 'prometheus' else 'GraphiteSink'}"
        )
    pattern = of("graphite/storage-schemas.conf")["spark"]["pattern"]
    prefix = of("spark/metrics-graphite.properties")["*.sink.graphite.prefix"]
    assert re.search(pattern, f"{prefix}.0501-150400-7hq1tx61.driver.jvm.heap.used")


def relabelled(labels: dict[str, str]) -> dict[str, str] | None:
    """What Prometheus makes of labels: its expressions match the whole."""
    (spark,) = [j for j in of("prometheus/prometheus.yml")["scrape_configs"] if j["job_name"] == "spark"]
    for rule in spark["metric_relabel_configs"]:
        found = re.fullmatch(rule["regex"], ";".join(labels.get(name, "") for name in rule["source_labels"]))
        if found and rule.get("action") == "drop":
            return None
        if found:
            labels = {**labels, rule["target_label"]: found.expand(re.sub(r"\$(\d)", r"\\\1", rule["replacement"]))}
    return labels


def test_prometheus_takes_the_cluster_out_of_the_name_of_a_metric() -> None:
    assert relabelled({"__name__": SERVED, "type": "gauges"}) == {
        "__name__": "spark_DAGScheduler_job_activeJobs_Value",
        "type": "gauges",
        "cluster_id": "0501-150400-7hq1tx61",
        "executor": "driver",
    }
    assert relabelled({"__name__": SERVED.replace("_Value", "_Number")}) is None
    assert relabelled({"__name__": "go_goroutines"}) == {"__name__": "go_goroutines"}


def test_names_of_prometheus_are_made_from_exports_and_used() -> None:
    config, modules = of("prometheus/prometheus.yml"), of("prometheus/json-exporter.yml")["modules"]
    made = {}
    for job in config["scrape_configs"]:
        if "params" in job:
            (metric,) = modules[job["params"]["module"][0]]["metrics"]
            dimension = job["params"]["target"][0].rsplit("/", 2)[1]
            fields = {re.fullmatch(r"\{ \.(\w+) \}", told).group(1) for told in metric["labels"].values()}  # type: ignore[union-attr]
            assert fields <= set(exported()[dimension])
            made[f"{metric['name']}_info"] = set(metric["labels"])
    assert set(made) == {"overwatch_cluster_info", "overwatch_job_info"}
    (group,) = of("prometheus/rules.yml")["groups"]
    for rule in group["rules"]:
        joined = set(re.search(r"group_left \(([\w, ]+)\)", rule["expr"]).group(1).split(", "))  # type: ignore[union-attr]
        assert joined | {"cluster_id"} == made["overwatch_cluster_info"]
    used = {name for rule in group["rules"] for name in re.findall(r"\((spark_\w+)\{", rule["expr"])}
    assert (relabelled({"__name__": SERVED}) or {})["__name__"] in used


def test_the_dashboard_asks_for_what_there_is() -> None:
    sources = {s["uid"]: s["type"] for s in of("grafana/datasources/overwatch.yml")["datasources"]}
    recorded = {rule["record"] for rule in of("prometheus/rules.yml")["groups"][0]["rules"]}
    seen = set()
    for panel in of("grafana/dashboards/clusters.json")["panels"]:
        for target in panel["targets"]:
            assert sources[target["datasource"]["uid"]] == target["datasource"]["type"]
            if "url" in target:
                dimension = target["url"].rsplit("/", 2)[1]
                seen.add(dimension)
                assert {c["selector"].split(".")[0] for c in target["columns"]} <= set(exported()[dimension])
            elif ":" in target["expr"]:
                assert target["expr"] in recorded
    assert seen == {"cluster", "job", "warehouse"}


def test_log_analytics_reads_the_columns_of_an_export() -> None:
    told = re.search(r"externaldata \(([^)]*)\)", of("log-analytics/cluster-names.kql"))
    assert told is not None
    assert [column.split(":")[0].strip() for column in told.group(1).split(",")] == exported()["cluster"]
