"""The sample's price files: a contract that changes on the second day, and a node type that not all is known of."""

from importlib import resources

import pytest

from overwatch_assets.config.deployment import Workspace
from overwatch_assets.config.fields import Cloud
from overwatch_assets.config.prices import price_book
from overwatch_assets.rules.prices import Kind
from overwatch_assets.sample.story import DAYS, SampleWorkspace, story

PRICED = {
    "retail-prod": {"i3.xlarge", "i3.2xlarge"},
    "retail-lab": {"Standard_DS3_v2"},
    "retail-apps": {"n2-highmem-4"},
}


@pytest.mark.parametrize("sample", story(clouds=tuple(Cloud)).workspaces, ids=lambda w: w.name)
def test_what_the_price_files_say(sample: SampleWorkspace) -> None:
    workspace = Workspace.model_validate(
        {
            "workspace_name": sample.name,
            "workspace_id": sample.workspace_id,
            "cloud": str(sample.cloud),
            "primordial_date": DAYS[0].isoformat(),
            "storage_prefix": "/tables",
            "etl_database_name": "etl",
            "consumer_database_name": "consumer",
            "workspace_url": sample.url,
            "auditlogprefix_source_path": "/audit",
            "prices": str(resources.files("overwatch_assets.sample") / f"prices-{sample.name}.csv"),
        }
    )
    book = price_book(workspace)
    changes = [(r.values["contract_price"], r.active_from) for r in book.of(Kind.DBU) if r.key == "interactive"]
    assert changes == [(0.55, DAYS[0]), (0.6, DAYS[1])]
    used = {sample.node_type, sample.driver_node_type}
    known = {r.key for r in book.of(Kind.INSTANCE) if r.values["Hourly_DBUs"] and r.values["Compute_Contract_Price"]}
    assert used & known == PRICED[sample.name]
