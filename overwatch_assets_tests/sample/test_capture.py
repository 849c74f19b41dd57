"""The audit logs of the sample's workspace on Azure: the same records as elsewhere, in the files of a captured hub."""

import io
import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import fastavro
import pytest

from overwatch_assets.config.fields import Cloud
from overwatch_assets.rules.audit_shapes import event_and_delivery, sorted_text
from overwatch_assets.sample.audit import audit_lines
from overwatch_assets.sample.story import DAY, FIRST_MS, HOUR, LOOKS, SampleWorkspace, Story, story
from overwatch_assets.sample.world import write_until

END = round(LOOKS[-1].timestamp() * 1000)


@pytest.fixture(scope="module")
def workspace() -> SampleWorkspace:
    (found,) = story(clouds=(Cloud.AZURE,)).workspaces
    return found


def written(workspace: SampleWorkspace, folder: Path, look: int) -> dict[str, bytes]:
    write_until(Story(1, (workspace,)), folder, LOOKS[look])
    root = folder / workspace.name / "audit-logs"
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


def messages(content: bytes) -> list[dict[str, Any]]:
    return [dict(found) for found in fastavro.reader(io.BytesIO(content)) if isinstance(found, dict)]


def as_elsewhere(record: dict[str, Any]) -> dict[str, Any]:
    """A hub's record as a line of JSON has it."""
    said = {
        name: json.loads(value) if name in ("requestParams", "response") and isinstance(value, str) else value
        for name, value in record["properties"].items()
    }
    identity = record["identity"]
    who = json.loads(identity) if isinstance(identity, str) else identity
    return {**said, "userIdentity": who, "timestamp": record["time"]}


def test_every_delivered_record_is_in_a_message_of_one_generation_or_the_other(
    workspace: SampleWorkspace, tmp_path: Path
) -> None:
    found, texts_until, objects_from, broken = [], 0, END, 0
    for path, content in written(workspace, tmp_path, 2).items():
        _, *delivered, _ = path.split("/")
        assert len(delivered) == 5, "year, month, day, hour, minute"
        for message in messages(content):
            enqueued = message["SystemProperties"]["x-opt-enqueued-time"]
            assert delivered[2] == f"{(enqueued - FIRST_MS) // DAY + 1:02}"
            try:
                records = json.loads(message["Body"])["records"]
            except ValueError:
                broken += 1
                continue
            assert 1 <= len(records) <= 5
            for record in records:
                if isinstance(record["properties"]["requestParams"], str):
                    texts_until = max(texts_until, enqueued)
                else:
                    objects_from = min(objects_from, enqueued)
                found.append(event_and_delivery(as_elsewhere(record))[0])
    expected = [
        event_and_delivery(dict(line.record))[0]
        for line in audit_lines(workspace, END)
        if line.delivered_ms <= END and not line.broken
    ]
    key = sorted_text
    assert sorted(map(key, found)) == sorted(map(key, expected))
    assert len(found) > 200
    assert broken == 1
    assert texts_until < FIRST_MS + DAY + 12 * HOUR <= objects_from < END


def test_files_stay_and_numbers_go_on_in_each_partition(workspace: SampleWorkspace, tmp_path: Path) -> None:
    looks = [written(workspace, tmp_path, number) for number in range(3)]
    assert looks[0].items() < looks[1].items() < looks[2].items()
    numbers = defaultdict(list)
    for path, content in looks[2].items():
        numbers[path.split("/")[0]] += [message["SequenceNumber"] for message in messages(content)]
    assert numbers.keys() == {"0", "1"}
    for found in numbers.values():
        assert found == list(range(len(found)))
