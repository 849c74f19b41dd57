"""`overwatch ui` ends what it started."""

import os
import sys
import time
from pathlib import Path

import pytest
import yaml

from overwatch_assets.cli.web import WebError, _children, _location, _watch, dagster_home
from overwatch_assets.sample.demo import set_up_instance

# A child with a child of its own, as Dagster's web server has: both write their ids, then wait.
FAMILY = (
    "import os, subprocess, sys, time\n"
    "p = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
    "open(sys.argv[1], 'w').write(f'{os.getpid()} {p.pid}')\n"
    "time.sleep(60)"
)


def ended(pid: int) -> bool:
    """Gone, or a zombie that its new parent has not collected yet."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def test_children_and_their_children_end_together(tmp_path: Path) -> None:
    files = [tmp_path / "a", tmp_path / "b"]
    commands = {f.name: [sys.executable, "-c", FAMILY, str(f)] for f in files}

    def interrupted() -> None:
        with _children(commands, os.environ):
            deadline = time.monotonic() + 30
            while not all(f.exists() and f.read_text() for f in files) and time.monotonic() < deadline:
                time.sleep(0.05)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    pids = [int(pid) for f in files for pid in f.read_text().split()]
    assert len(pids) == 4
    deadline = time.monotonic() + 10
    while not all(map(ended, pids)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert [pid for pid in pids if not ended(pid)] == []


def test_a_process_that_ends_by_itself_is_an_error_and_ends_the_other() -> None:
    sleep = [sys.executable, "-c", "import time; time.sleep(60)"]
    commands = {"web server": sleep, "daemon": [sys.executable, "-c", "raise SystemExit(3)"]}
    started = {}

    def serve() -> None:
        with _children(commands, os.environ) as children:
            started.update(children)
            _watch(children)

    with pytest.raises(WebError, match="Dagster's daemon ended with code 3: see what it said above"):
        serve()
    assert started["web server"].returncode not in (None, 0)


def test_dagster_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    assert dagster_home("/a/b/d.yaml") == Path("/a/b/dagster")
    assert dagster_home("s3://bucket/d.yaml") == tmp_path / ".overwatch" / "dagster"
    monkeypatch.setenv("DAGSTER_HOME", "/h")
    assert dagster_home("/a/b/d.yaml") == Path("/h")


def test_location_is_the_workspace_file_if_there_is_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    assert _location() == ("-m", "overwatch_assets.definitions")
    (tmp_path / "workspace.yaml").write_text("")
    assert _location() == ("-w", "workspace.yaml")


def test_an_instance_without_settings_gets_ours_and_another_keeps_its_own(tmp_path: Path) -> None:
    (tmp_path / "own").mkdir()
    (tmp_path / "own/dagster.yaml").write_text("telemetry: {enabled: true}\n")
    (tmp_path / "new").mkdir()
    for home in ("own", "new"):
        set_up_instance(tmp_path / home)
    assert (tmp_path / "own/dagster.yaml").read_text() == "telemetry: {enabled: true}\n"
    (limit,) = yaml.safe_load((tmp_path / "new/dagster.yaml").read_text())["concurrency"]["runs"][
        "tag_concurrency_limits"
    ]
    assert (limit["key"], limit["limit"]) == ("overwatch/workspace", 1)
