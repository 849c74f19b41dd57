"""One workspace's loads of the demo, in a process of their own: `python -m overwatch_assets.sample.loader HOME ID`.

A line of JSON on standard input asks for one load; lines on standard output tell what is done. Each workspace has such
a process, since Dagster runs one job at a time in a process. Whatever else is printed goes to standard error.
"""

import datetime as dt
import fcntl
import gc
import json
import logging
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import dagster as dg
from dagster._core.instance.ref import InstanceRef  # the public way to an instance takes no overrides

from overwatch_assets.contract.registry import modules
from overwatch_assets.definitions import defs
from overwatch_assets.orchestration.partitions import range_tags
from overwatch_assets.orchestration.settings import NOW_TAG

if TYPE_CHECKING:
    from dagster import ExecuteInProcessResult

_RUNNER = "overwatch_assets.runner.runner"
# Captured output would be mirrored by two more processes for each run.
_NOT_CAPTURED = {"module": "dagster._core.storage.noop_compute_log_manager", "class": "NoOpComputeLogManager"}
_SILENT = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


class _Steps(logging.Handler):
    """Tells of each load, of which the runner's log has one line."""

    def __init__(self, out: TextIO) -> None:
        super().__init__(logging.INFO)
        self._out = out

    def emit(self, record: logging.LogRecord) -> None:
        """Tell the table's name."""
        assert isinstance(record.args, tuple)  # noqa: S101 - the runner's own line
        _tell(self._out, loaded=record.args[1])


def main(home: Path, workspace_id: str) -> None:
    """Serve loads until standard input ends."""
    gc.freeze()  # what was imported stays: looking through it again and again takes seconds
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    checked = defs.resolve_job_def("all_job")
    unchecked = checked.get_subset(
        asset_selection={dg.AssetKey(t.name) for t in modules()}, asset_check_selection=set()
    )
    with _instance(home / "dagster") as instance:
        for line in sys.stdin:
            asked = json.loads(line)
            _listen(out)
            done = _run(checked if asked["checks"] else unchecked, instance, workspace_id, asked)
            _tell(out, **({"run_id": done.run_id} if done.success else {"error": _why(done)}))


def _run(
    job: dg.JobDefinition, instance: dg.DagsterInstance, workspace_id: str, asked: Mapping[str, Any]
) -> "ExecuteInProcessResult":
    first, last = (dt.date.fromisoformat(asked[name]) for name in ("first", "last"))
    return job.execute_in_process(
        run_config=_SILENT,
        instance=instance,
        tags={**range_tags(workspace_id, first, last), NOW_TAG: asked["now"]},
        raise_on_error=False,
    )


def _instance(folder: Path) -> dg.DagsterInstance:
    """Open Dagster's instance; one process at a time, because the first one makes its databases."""
    with (folder / ".opening").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        ref = InstanceRef.from_dir(str(folder), overrides={"compute_logs": _NOT_CAPTURED})
        instance = dg.DagsterInstance.from_ref(ref)
        instance.get_runs(limit=1)
        instance.get_event_records(dg.EventRecordsFilter(dg.DagsterEventType.ASSET_MATERIALIZATION), limit=1)
    return instance


def _listen(out: TextIO) -> None:
    """Hear the runner; a run that has begun may have taken the handler off."""
    runner = logging.getLogger(_RUNNER)
    runner.setLevel(logging.INFO)
    runner.propagate = False
    if not any(isinstance(handler, _Steps) for handler in runner.handlers):
        runner.addHandler(_Steps(out))


def _why(done: "ExecuteInProcessResult") -> str:
    """Give the first failed step, in its own words."""
    for event in done.all_events:
        if event.is_step_failure:
            error = event.step_failure_data.error
            while error is not None and error.cause is not None:
                error = error.cause
            said = error.message.strip() if error is not None else event.message
            return f"{event.step_key}: {said}"
    return f"Dagster's run {done.run_id} failed; `overwatch ui` shows it"


def _tell(out: TextIO, **said: object) -> None:
    out.write(json.dumps(said) + "\n")
    out.flush()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
