"""Show 5: killed at any moment and run again, a load ends in the tables of an undisturbed one, and nothing blocks it."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from overwatch_assets.contract.registry import tables
from overwatch_assets.rules.days import day_of
from overwatch_assets.runner import tracked
from overwatch_assets.runner.state import TABLE_CHANGES
from overwatch_assets.storage.lease import lease
from overwatch_assets_tests.laws.conftest import Opens
from overwatch_assets_tests.laws.workshop import Workshop, differences, in_world
from overwatch_assets_tests.laws.worlds import NOW_MS, File, application, at, audit_files, files_of

pytestmark = [pytest.mark.engine, pytest.mark.timeout(900)]

BRONZE, SILVER, GOLD = "spark_events_bronze", "spark_jobs_silver", "sparkjob_gold"
AUDIT = "audit_log_bronze"
_FEW = (BRONZE, SILVER, GOLD)
_ALL = tuple(t.name for t in in_world())


def small(*, whole: bool) -> dict[str, File]:
    """Two applications, a copy of one of them, and bad lines; or as they were on the second day."""
    files = files_of([application("etl"), application("failures")], NOW_MS if whole else at(1, 12))
    (etl,) = (f for p, f in files.items() if "0003" in p)
    bad = File(b'{"Event":\n\xff\n' + etl.data[: etl.data.index(b"\n") + 1] + b"no event\n", at(2, 2))
    copy = {"spark/copy": etl, "spark/bad": bad} if whole else {}
    return {**files, **copy, **audit_files()}


def killed(shop: Workshop, names: tuple[str, ...], when: str) -> subprocess.CompletedProcess[str]:
    """Run a load that is killed."""
    command = [sys.executable, "-m", "overwatch_assets_tests.laws.killed", str(shop.root), ",".join(names), when]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode in (0, -9), done.stderr[-3000:]
    return done


def run_again(shop: Workshop, names: tuple[str, ...]) -> None:
    """Load anew, with no more than a minute for what the killed process held."""
    with lease(shop.location, wait_s=60):
        pass
    shop.chain(wanted=[tables()[n] for n in names])
    assert not list(Path(shop.location.root).glob("_reading/*"))
    assert not list(Path(shop.location.root).glob("_lease/*.draft"))


@pytest.fixture(scope="module")
def undisturbed(spark: object, tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    """The small world, loaded in peace."""
    shop = Workshop(spark, tmp_path_factory.mktemp("undisturbed"))  # type: ignore[arg-type]  # the session
    shop.logs.put(small(whole=True))
    shop.chain()
    return shop


@pytest.fixture
def begun(opens: Opens) -> Callable[[str], Workshop]:
    """Opens a workspace in which an earlier state of the small world is loaded, so that a load appends and merges."""
    first = opens("first")
    first.logs.put(small(whole=False))
    first.chain(wanted=[tables()[n] for n in (AUDIT, *_FEW)])
    first.logs.put(small(whole=True))

    def begin(name: str) -> Workshop:
        shutil.copytree(first.root / "tables", first.root.parent / name / "tables")
        shop = Workshop(first.spark, first.root.parent / name)
        (first.root.parent / name / "logs").rename(first.root.parent / name / "no logs")
        (first.root.parent / name / "logs").symlink_to(first.root / "logs")
        return shop

    return begin


def commits(shop: Workshop, names: tuple[str, ...]) -> int:
    """How many commits an undisturbed load of some tables makes."""
    return int(killed(shop, names, "never").stdout.split()[0])


@pytest.mark.parametrize(
    ("name", "moments"),
    [
        # Rows without records; records without the rest; all but the report.
        (BRONZE, (1, 2, -1)),
        # Records without rows.
        (SILVER, (1,)),
        pytest.param(BRONZE, (), marks=pytest.mark.deep, id="bronze-all"),
        pytest.param(SILVER, (), marks=pytest.mark.deep, id="silver-all"),
    ],
)
def test_between_two_commits_of_one_load(
    begun: Callable[[str], Workshop], undisturbed: Workshop, name: str, moments: tuple[int, ...]
) -> None:
    """Of bronze: rows, records, quarantine, doubled lines, tracker, report; of silver: records, rows, report."""
    before = [tables()[n] for n in _FEW[: _FEW.index(name)]]
    total = 0
    if not moments or min(moments) < 0:
        shop = begun("counted")
        shop.chain(wanted=before)
        total = commits(shop, (name,))
        assert total >= (6 if name == BRONZE else 3)
    for n in moments or range(1, total):
        shop = begun(f"commit{n}")
        shop.chain(wanted=before)
        assert killed(shop, (name,), f"commit:{n % total if n < 0 else n}").returncode == -9
        run_again(shop, _FEW)
        assert differences(shop, undisturbed, (*_FEW, "quarantine_bronze"), source=BRONZE) == "", n


def killed_after(opens: Opens, undisturbed: Workshop, seconds: float) -> bool:
    """Kill a load of all tables so long after its first commit, and run it again; whether it was in time."""
    shop = opens(f"after{seconds:.3f}")
    shop.logs.put(small(whole=True))
    done = killed(shop, _ALL, f"after:{seconds:.3f}")
    run_again(shop, _ALL)
    assert differences(shop, undisturbed) == "", seconds
    return done.returncode == -9


def test_killed_within_a_load_of_all_tables(opens: Opens, undisturbed: Workshop) -> None:
    assert killed_after(opens, undisturbed, 2.0)


@pytest.mark.deep
@pytest.mark.timeout(3600)
def test_killed_at_20_moments(opens: Opens, undisturbed: Workshop) -> None:
    """Spread uniformly between the first and the last commit."""
    timed = opens("timed")
    timed.logs.put(small(whole=True))
    seconds = float(killed(timed, _ALL, "never").stdout.split()[1])
    for moment in ((n + 0.5) / 20 for n in range(20)):
        while not killed_after(opens, undisturbed, moment * seconds):
            seconds *= 0.9  # the machine is faster now than it was: the load had ended


def test_what_was_being_read_when_its_file_was_rolled(opens: Opens) -> None:
    """Killed after the rows were in, before they were recorded; then the file is gone, and only the rolled one is there."""
    app = application("notebooks")
    parts = files_of([app], at(0, 13))
    (path,) = parts
    rolled = {p: f for p, f in files_of([app], at(0, 15)).items() if p.endswith(".gz")}
    shop, calm = opens("rolled"), opens("calm")
    shop.logs.put(parts)
    assert killed(shop, (BRONZE,), "commit:1").returncode == -9
    assert path not in rolled
    for each in (shop, calm):
        each.logs.put(rolled)
        run_again(each, _FEW)
    assert shop.rows(BRONZE).total() > 5
    assert differences(shop, calm, _FEW) == ""


def test_a_large_file_is_continued_after_its_last_acknowledged_part(
    opens: Opens, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file is read in parts, five of which are acknowledged together; a load that ends after the second five is taken up there."""
    app = application("etl")
    shop = opens("parts")
    shop.logs.put(files_of([app]))
    wanted = [tables()[BRONZE]]
    with monkeypatch.context() as patched:
        patched.setattr(tracked, "_CHUNK", 12_000)
        insert, parts = tracked.insert_side, []

        def interrupted(*args: Any) -> None:
            parts.append(args)
            if len(parts) == 3:
                raise KeyboardInterrupt
            insert(*args)

        patched.setattr(tracked, "insert_side", interrupted)
        with pytest.raises(KeyboardInterrupt):
            shop.chain(wanted=wanted)
    before = shop.rows(BRONZE).total()
    assert 0 < before < len(app.lines)
    (result,) = shop.chain(wanted=wanted)
    # The rows of the third five were in and are recorded now; what follows them is read.
    assert result.counts["inserted"] >= len(set(app.lines)) - before
    assert shop.rows(BRONZE).total() == len(set(app.lines))
    calm = opens("calm-parts")
    calm.logs.put(files_of([app]))
    calm.chain(wanted=wanted)
    assert differences(shop, calm, [BRONZE]) == ""
    store = shop.store()
    days = {r["date"] for r in store.arrow(store.read(wanted[0]).select("date").distinct()).to_pylist()}
    recorded = store.arrow(store.read(TABLE_CHANGES).select("fromTS").distinct()).to_pylist()
    assert {day_of(r["fromTS"]) for r in recorded} == days
