"""One job for each layer, and one for all of them; partitions are chosen when they are launched."""

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from overwatch_assets.contract.registry import modules


def table_jobs() -> list[UnresolvedAssetJobDefinition]:
    """`bronze_job`, `silver_job`, `gold_job` and `all_job`."""
    layers = [layer for layer in ("bronze", "silver", "gold") if any(t.layer == layer for t in modules())]
    chosen = {layer: dg.AssetSelection.groups(layer) for layer in layers}
    return [
        dg.define_asset_job(
            f"{name}_job",
            selection,
            description=f"Loads {'all' if name == 'all' else f'the {name}'} tables for some days of a workspace.",
            executor_def=dg.in_process_executor,
        )
        for name, selection in {**chosen, "all": dg.AssetSelection.groups(*layers)}.items()
    ]
