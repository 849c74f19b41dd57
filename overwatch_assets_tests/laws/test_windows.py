"""Law 5: windows never overlap, every gap between the first and the last is a named hole, all in UTC."""

import datetime as dt
from itertools import pairwise

from hypothesis import given, strategies as st

from overwatch_assets.rules.days import DAY_MS, day_of, day_start_ms
from overwatch_assets.runner.window import Window, covers, holes, paint, windows_of

windows = st.builds(lambda a, n: Window(a, a + n), st.integers(0, 40), st.integers(1, 15))
several = st.lists(windows, max_size=8)
days = st.lists(st.dates(dt.date(2024, 2, 20), dt.date(2024, 3, 20)), max_size=20)


def moments(pieces: list[Window]) -> list[int]:
    return [ms for p in pieces for ms in range(p.from_ms, p.until_ms)]


@given(several)
def test_painted_pieces_are_what_the_loads_cover_each_moment_once(loads: list[Window]) -> None:
    covered = moments(paint(loads))
    assert covered == sorted(set(moments(loads)))


@given(several)
def test_the_newest_load_is_on_top(loads: list[Window]) -> None:
    if loads and loads[-1].from_ms < loads[-1].until_ms:
        assert loads[-1] in paint(loads)


@given(several)
def test_holes_and_pieces_fill_the_time_between_the_first_and_the_last(loads: list[Window]) -> None:
    pieces = paint(loads)
    both = moments([*pieces, *holes(pieces)])
    assert len(both) == len(set(both))
    if pieces:
        assert sorted(both) == list(range(pieces[0].from_ms, max(p.until_ms for p in pieces)))


@given(several, windows)
def test_covers_is_true_for_windows_without_a_moment_outside(loads: list[Window], window: Window) -> None:
    assert covers(paint(loads), window) == (set(moments([window])) <= set(moments(loads)))


@given(days, st.integers(1, 9), st.integers(0, 30 * DAY_MS))
def test_days_become_windows_that_hold_exactly_them_up_to_now(wanted: list[dt.date], max_days: int, since: int) -> None:
    now = day_start_ms(dt.date(2024, 2, 20)) + since
    made = list(windows_of(wanted, now_ms=now, max_days=max_days))
    assert [d for w in made for d in w.days] == sorted({d for d in wanted if day_start_ms(d) < now})
    assert all(len(w.days) <= max_days and w.until_ms <= now for w in made)
    assert all(w.until_ms == min(day_start_ms(w.days[-1]) + DAY_MS, now) for w in made)
    assert all(a.until_ms <= b.from_ms for a, b in pairwise(made))


@given(st.integers(-62_135_596_800_000, 253_402_300_799_999))
def test_a_moment_is_within_its_utc_day(ms: int) -> None:
    assert day_start_ms(day_of(ms)) <= ms < day_start_ms(day_of(ms)) + DAY_MS


def test_a_day_is_utc_whatever_zone_the_machine_is_in() -> None:
    assert day_start_ms(dt.date(2024, 3, 31)) == 1_711_843_200_000  # clocks change in Europe
    assert Window(1_711_843_200_000, 1_711_843_200_000 + DAY_MS).days == [dt.date(2024, 3, 31)]
