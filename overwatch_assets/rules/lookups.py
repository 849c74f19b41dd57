"""As-of joins: a row of one frame with what another frame knew at its time."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Any, cast

from pyspark.sql import Column, DataFrame, Window, WindowSpec, functions as F, types as T

from overwatch_assets.errors import ConfigurationError
from overwatch_assets.rules.windows import PART, agree, in_parts, parted

_BEHIND = (Window.unboundedPreceding, Window.currentRow)
_AHEAD = (Window.currentRow, Window.unboundedFollowing)
_TIMES = (T.ByteType, T.ShortType, T.IntegerType, T.LongType, T.TimestampType, T.DateType)


def lookup_when(
    left: DataFrame,
    right: DataFrame,
    keys: Sequence[str],
    left_time: str,
    right_time: str,
    *,
    columns: Sequence[str] | None = None,
    look_back: bool = True,
    look_ahead: bool = False,
    max_age: int | None = None,
    max_ahead: int | None = None,
    allow_equal: bool = True,
    order: Sequence[str] = (),
    by_row: bool = False,
    found_at: str | None = None,
) -> DataFrame:
    """Return every row of `left` once, with what `right` knew of its keys at its time.

    The value is the last one at or before the row's time; with `look_ahead`, and if there is none, the first one after
    it. A column that both frames have keeps the left value and is filled only where that is null, so that of two
    look-ups in a row the first has priority. Null keys find nothing, and nothing is found under them,
    nor at a null time.

    Args:
        left: the rows to enrich. One without a time finds nothing behind it; ahead of it, unless `max_ahead` is given,
            the first value of all.
        right: the history to look into.
        keys: columns of both frames, compared as the left one's type: what does not fit into that matches nothing.
        left_time: integer (epoch ms, say), timestamp or date.
        right_time: of the same kind.
        columns: what to look up: the right frame's columns but keys and time, unless given.
        look_back: whether earlier values count.
        look_ahead: whether later values count where there is no earlier one.
        max_age: how old an earlier value may be, in units of the time: microseconds of a timestamp, days of a date.
        max_ahead: how far ahead a later value may be, in the same units.
        allow_equal: a right row at exactly the left row's time is an earlier one; False: a later one, as in Overwatch.
        order: columns of `right` that decide among its rows of one time; the last wins. What they leave open is decided
            by the rows' content.
        by_row: take the nearest right row whole, nulls included, because they mean something; False: of each column
            its own nearest value that is not null.
        found_at: name of a column for the time of the right row that was taken (only with `by_row`).

    Raises:
        ConfigurationError: a column is missing or would be there twice (case does not tell names apart), there is no
            key, a time is neither whole number nor timestamp nor date, or the options contradict each other.
    """
    own = {f.name: f.dataType for f in left.schema.fields}
    kinds = {f.name: f.dataType for f in right.schema.fields}
    _check(own, keys, left_time, "left", "lookup_when")
    _check(kinds, keys, right_time, "right", "lookup_when")
    if found_at is not None and not by_row:
        raise ConfigurationError("found_at needs by_row: single values have no common time")
    if not (look_back or look_ahead):
        raise ConfigurationError("lookup_when looks neither back nor ahead")
    wanted = [c for c in (columns or kinds) if c not in keys and (columns is not None or c != right_time)]
    _refuse_twins(
        "lookup_when", [*own, *(c for c in wanted if c not in own), *([] if found_at is None else [found_at])]
    )
    key_names = [f"_k{n}" for n in range(len(keys))]
    ours = {c: f"_l{n}" for n, c in enumerate(own)}
    theirs = {c: f"_r{n}" for n, c in enumerate(wanted)}
    # Of two structs that differ in what the engine attaches to their members, Sail makes no coalesce: casts drop that.
    content = F.to_json(F.struct(*(_column(c) for c in kinds)))
    in_turn = {f"_o{n}": _column(c) for n, c in enumerate(order)} | {"_content": content}

    def placed(rows: DataFrame, time: Column, *more: Column, is_right: bool) -> DataFrame:
        """Rows with their keys, as the left ones' type, and their place in time."""
        named = (_column(k).try_cast(own[k]).alias(n) for k, n in zip(keys, key_names, strict=True))
        side = F.lit(1 if is_right == allow_equal else 2).alias("_side")
        return parted(
            rows.select(*named, time.alias("_t"), side, F.lit(int(is_right)).alias("_right"), *more), key_names
        )

    history = placed(
        right.where(_all_known([*keys, right_time])),
        _number(_column(right_time), kinds[right_time]),
        _column(right_time).alias("_at"),
        *(value.alias(n) for n, value in in_turn.items()),
        *(_column(c).cast(kinds[c]).alias(n) for c, n in theirs.items()),
        is_right=True,
    )
    asking = placed(
        left,
        _number(_column(left_time), own[left_time]),
        *(_column(c).cast(own[c]).alias(n) for c, n in ours.items()),
        is_right=False,
    )
    # A row finds its place by counting: behind it is the right row of that number, ahead of it the next.
    stacked = asking.unionByName(history.select(*key_names, "_t", "_side", "_right", PART), allowMissingColumns=True)
    so_far = in_parts(key_names, (F.col("_t").asc_nulls_first(), "_side")).rowsBetween(*_BEHIND)
    found = stacked.withColumn("_n", F.sum("_right").over(so_far)).where(F.col("_right") == 0)
    of_history = in_parts(key_names, ("_t", *in_turn))
    values = history.withColumn("_n", F.row_number().over(of_history))
    sides = [("_b", 0, max_age)] if look_back else []
    sides += [("_a", 1, max_ahead)] if look_ahead else []
    for side, ahead, _ in sides:
        known = values if by_row else _filled(values, key_names, theirs.values(), of_history, ahead=bool(ahead))
        known = known.select(*(F.col(c).alias(side + c) for c in known.columns))
        same = [F.col(side + c) == F.col(c) for c in (PART, *key_names)]
        found = found.join(known, [*same, F.col(f"{side}_n") == F.col("_n") + ahead], "left")

    def nearest(name: str) -> Column:
        """The value of the nearer side that has one."""
        hit, at = ("_n", "_t") if by_row else (name, f"{name}_t")
        chosen: Any = F
        for side, _, limit in sides:
            chosen = chosen.when(F.col(side + hit).isNotNull() & _is_near(F.col(side + at), limit), F.col(side + name))
        return cast("Column", chosen)

    filled = {c: nearest(n) for c, n in theirs.items()}
    if found_at is not None:
        filled[found_at] = nearest("_at")
    mine = [
        F.coalesce(F.col(n), filled[c].cast(own[c])).alias(c) if c in filled else F.col(n).alias(c)
        for c, n in ours.items()
    ]
    return found.select(*mine, *(value.alias(c) for c, value in filled.items() if c not in own))


def _filled(
    history: DataFrame, key_names: Sequence[str], values: Collection[str], of_history: WindowSpec, *, ahead: bool
) -> DataFrame:
    """History with the next value of each column that is not null, behind or ahead, instead of each; and its time."""
    window, pick = (of_history.rowsBetween(*_AHEAD), F.first) if ahead else (of_history.rowsBetween(*_BEHIND), F.last)
    filled = history
    for name in values:
        known = F.struct(F.col("_t").alias("t"), F.col(name).alias("v"), *key_names)
        nearest = pick(F.when(F.col(name).isNotNull(), known), ignorenulls=True).over(window)
        filled = filled.withColumn(name, nearest)
    members = []
    for name in values:
        nearest = F.col(name)
        is_own = nearest.isNotNull() & agree(key_names, [nearest[k] for k in key_names])
        members += [F.when(is_own, nearest[m]).alias(alias) for m, alias in (("v", name), ("t", f"{name}_t"))]
    return filled.select(PART, *key_names, "_n", *members)


def asof_join(
    left: DataFrame,
    right: DataFrame,
    keys: Sequence[str],
    left_time: str,
    right_time: str,
    *,
    left_prefix: str = "",
    right_prefix: str = "right_",
    look_back: bool = True,
    look_ahead: bool = False,
    max_age: int | None = None,
    max_ahead: int | None = None,
    allow_equal: bool = True,
    order: Sequence[str] = (),
    by_row: bool = True,
) -> DataFrame:
    """Return every row of `left` once, joined to the row of `right` that held at its time.

    It is `lookup_when` for people who want both sides: nothing is filled or left out. All columns of both frames are
    there, but the keys once; those of the right one, its time among them, are null where it has no such row.

    Args:
        left: the rows to join to.
        right: the history to look into.
        keys: columns of both frames, of one type.
        left_time: integer (epoch ms, say), timestamp or date.
        right_time: of the same kind.
        left_prefix: put before the names of the left frame's columns, but the keys.
        right_prefix: put before those of the right one.
        look_back: as of `lookup_when`, and so are the rest.
        look_ahead: whether a later row counts where there is no earlier one.
        max_age: how old an earlier row may be, in units of the time.
        max_ahead: how far ahead a later row may be.
        allow_equal: a right row at exactly the left row's time is an earlier one.
        order: columns of `right` that decide among its rows of one time; the last wins.
        by_row: False: of each column of `right`, its time too, its own nearest value that is not null, as in Overwatch.

    Raises:
        ConfigurationError: as `lookup_when`; or a key has two types, or two columns would have one name.
    """
    own = {f.name: f.dataType for f in left.schema.fields}
    kinds = {f.name: f.dataType for f in right.schema.fields}
    _check(own, keys, left_time, "left", "asof_join")
    _check(kinds, keys, right_time, "right", "asof_join")
    for key in keys:
        if own[key] != kinds[key]:
            said = f"{own[key].simpleString()} in the left frame, {kinds[key].simpleString()} in the right one"
            raise ConfigurationError(f"asof_join: the key {key} is {said}")
    ours = {c: c if c in keys else left_prefix + c for c in own}
    theirs = {c: right_prefix + c for c in kinds if c not in keys}
    _refuse_twins("asof_join", [*ours.values(), *theirs.values()], ": give other prefixes")
    return lookup_when(
        left.select(*(_column(c).alias(name) for c, name in ours.items())),
        right.select(*(_column(c).alias(c) for c in keys), *(_column(c).alias(name) for c, name in theirs.items())),
        keys,
        ours[left_time],
        theirs[right_time],
        columns=list(theirs.values()),
        look_back=look_back,
        look_ahead=look_ahead,
        max_age=max_age,
        max_ahead=max_ahead,
        allow_equal=allow_equal,
        order=[theirs.get(c, c) for c in order],
        by_row=by_row,
    )


def _check(kinds: Mapping[str, T.DataType], keys: Sequence[str], time: str, side: str, who: str) -> None:
    if not keys:
        raise ConfigurationError(f"{who}: there is no key: name the columns that rows of both frames agree in")
    missing = [c for c in (*keys, time) if c not in kinds]
    if missing:
        raise ConfigurationError(f"{who}: the {side} frame has no column {', '.join(missing)}")
    if not isinstance(kinds[time], _TIMES):
        raise ConfigurationError(f"{who}: {time} is neither whole number nor timestamp nor date")


def _all_known(columns: Sequence[str]) -> Column:
    known = F.lit(True)
    for column in columns:
        known = known & _column(column).isNotNull()
    return known


def _column(name: str) -> Column:
    """A column of a caller's frame, whatever is in its name."""
    return F.col("`" + name.replace("`", "``") + "`")


def _refuse_twins(who: str, names: Sequence[str], what_to_do: str = "") -> None:
    counts = Counter(name.lower() for name in names)
    if twice := sorted(name for name, count in counts.items() if count > 1):
        raise ConfigurationError(f"{who}: two columns would be called {', '.join(twice)}{what_to_do}")


def _number(time: Column, kind: T.DataType) -> Column:
    if isinstance(kind, T.TimestampType):
        return F.unix_micros(time)
    return F.unix_date(time).cast("bigint") if isinstance(kind, T.DateType) else time.cast("bigint")


def _is_near(at: Column, limit: int | None) -> Column:
    return F.lit(True) if limit is None else F.coalesce(F.abs(F.col("_t") - at) <= limit, F.lit(False))
