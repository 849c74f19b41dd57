"""What a workspace's API says of its access tokens."""

from dataclasses import replace

from overwatch_assets.runner.context import Load
from overwatch_assets.runner.insert import Reading
from overwatch_assets.sources.registry import Reader
from overwatch_assets.sources.workspace import ApiFactory, api_reader, listed
from overwatch_assets.sources.workspace_api import WorkspaceApi

ONLY_OWN = "only the API user's own tokens"


def reader(api_factory: ApiFactory | None) -> Reader:
    """Return a reader of `workspace_tokens`: rows of token_id, body (JSON) and fetched_ms (epoch ms).

    The report says so if the workspace shows its API's user no other tokens than that user's own.

    Args:
        api_factory: connects to the workspace; None: its API is not configured.
    """
    return api_reader(api_factory, "accounts", _read)


def _read(load: Load, api: WorkspaceApi) -> Reading:
    tokens, are_all = api.list_tokens()
    reading = listed(load, "token_id", "string", tokens)
    return reading if are_all else replace(reading, notes={ONLY_OWN: 1})
