"""What runs borrow: a client for a workspace's API, and the clock."""

import datetime as dt

import pytest

from overwatch_assets.config.deployment import Deployment
from overwatch_assets.errors import ConfigurationError
from overwatch_assets.orchestration import settings
from overwatch_assets.orchestration.resources import client_resources


def test_client_signs_in_with_the_referenced_token_and_is_configured_without_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    row = {
        "workspace_name": "one",
        "workspace_id": "12-3",
        "cloud": "Azure",
        "primordial_date": "2024-05-01",
        "storage_prefix": "/tmp/store",
        "etl_database_name": "etl",
        "consumer_database_name": "views",
        "workspace_url": "https://one.example",
        "token": "env:TOKEN_OF_ONE",
    }
    without = {**row, "workspace_id": "4"}
    del without["token"]
    resources = client_resources(Deployment.model_validate({"workspaces": [row, without]}))
    assert list(resources) == ["databricks_12_3"]
    monkeypatch.setenv("TOKEN_OF_ONE", "dapi-of-one")
    client = resources["databricks_12_3"].get_client().workspace_client
    assert client.config.host == "https://one.example"
    assert client.config.authenticate() == {"Authorization": "Bearer dapi-of-one"}
    assert "dapi-of-one" not in repr(resources)


def test_now_is_the_tags_then_the_variables_then_the_clocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OVERWATCH_NOW", "2024-05-02T06:00:00Z")
    assert settings.now() == dt.datetime(2024, 5, 2, 6, tzinfo=dt.UTC)
    assert settings.now({"overwatch/now": "2024-05-03T08:00:00+02:00"}) == dt.datetime(2024, 5, 3, 6, tzinfo=dt.UTC)
    monkeypatch.setenv("OVERWATCH_NOW", "")
    assert abs(settings.now() - dt.datetime.now(dt.UTC)) < dt.timedelta(seconds=5)


@pytest.mark.parametrize("stated", ["yesterday", "2024-05-02T06:00:00"])
def test_wrong_now_is_one_sentence(stated: str) -> None:
    with pytest.raises(ConfigurationError, match="must be an ISO time with a zone, such as"):
        settings.now({"overwatch/now": stated})
