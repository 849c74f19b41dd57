"""As-of joins: a row of one frame with what another frame knew at its time."""

from collections import Counter
from collections.abc import Mapping, Sequence

from pyspark.sql import Column, DataFrame, Window, functions as F, types as T

from overwatch_assets.errors import ConfigurationError

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
        keys: columns of both frames, compared as the left one's type.
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
        ConfigurationError: a column is missing, a time is neither whole number nor timestamp nor date, or the options
            contradict each other.
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
    known = right.where(_all_known([*keys, right_time]))
    key_names = [f"_k{n}" for n in range(len(keys))]
    names = [f"_r{n}" for n in range(len(wanted))]
    values = [F.col(c).alias(n) for c, n in zip(wanted, names, strict=True)]
    rank = F.row_number().over(
        Window.partitionBy(*keys, right_time).orderBy(*order, F.to_json(F.struct(*(F.col(c) for c in kinds))))
    )
    theirs = known.select(
        *(F.col(k).cast(own[k]).alias(n) for k, n in zip(keys, key_names, strict=True)),
        _number(F.col(right_time), kinds[right_time]).alias("_t"),
        F.lit(1 if allow_equal else 2).alias("_side"),
        rank.cast("int").alias("_rank"),
        F.struct(F.col(right_time).alias("_at"), *values).alias("_right"),
    )
    ours = left.select(
        *(F.col(k).alias(n) for k, n in zip(keys, key_names, strict=True)),
        _number(F.col(left_time), own[left_time]).alias("_t"),
        F.lit(2 if allow_equal else 1).alias("_side"),
        F.lit(0).alias("_rank"),
        F.struct(*(F.col(f"`{c}`") for c in own)).alias("_left"),
    )
    left_type = T.StructType([T.StructField(name, kind) for name, kind in own.items()])
    at_kind = T.StructField("_at", kinds[right_time])
    right_type = T.StructType([at_kind, *(T.StructField(n, kinds[c]) for c, n in zip(wanted, names, strict=True))])
    stacked = ours.withColumn("_right", F.lit(None).cast(right_type)).unionByName(
        theirs.withColumn("_left", F.lit(None).cast(left_type))
    )
    in_time = Window.partitionBy(*key_names).orderBy(F.col("_t").asc_nulls_first(), "_side", "_rank")
    behind = in_time.rowsBetween(Window.unboundedPreceding, Window.currentRow)
    ahead = in_time.rowsBetween(Window.currentRow, Window.unboundedFollowing)
    is_right = F.col("_left").isNull()
    groups = {"_all": is_right} if by_row else {n: is_right & F.col("_right")[n].isNotNull() for n in names}
    for group, counts in groups.items():
        value = F.col("_right") if by_row else F.col("_right")[group]
        candidate = F.when(counts, F.struct(F.col("_t").alias("t"), value.alias("v")))
        if look_back:
            stacked = stacked.withColumn(f"_b{group}", F.last(candidate, ignorenulls=True).over(behind))
        if look_ahead:
            stacked = stacked.withColumn(f"_a{group}", F.first(candidate, ignorenulls=True).over(ahead))
    limits = {"_b": (look_back, max_age), "_a": (look_ahead, max_ahead)}

    def nearest(name: str) -> Column:
        """The member of the nearer one. Chosen by member, because Sail reads members of a struct that a CASE hid."""
        found = []
        for side, (counts, limit) in limits.items():
            if counts:
                hit = F.col(f"{side}{'_all' if by_row else name}")
                value = hit["v"][name] if by_row else hit["v"]
                found.append((hit.isNotNull() & _is_near(hit, limit), value))
        chosen = F.when(*found[0])
        return chosen.when(*found[1]) if len(found) > 1 else chosen

    filled = {c: nearest(n) for c, n in zip(wanted, names, strict=True)}
    if found_at is not None:
        filled[found_at] = nearest("_at")
    mine = [
        F.coalesce(F.col("_left")[c], filled[c].cast(own[c])).alias(c) if c in filled else F.col("_left")[c].alias(c)
        for c in own
    ]
    theirs_only = [value.alias(c) for c, value in filled.items() if c not in own]
    return stacked.where(F.col("_left").isNotNull()).select(*mine, *theirs_only)


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
    names = Counter(n.lower() for n in (*ours.values(), *theirs.values()))
    if twice := sorted(n for n, count in names.items() if count > 1):
        raise ConfigurationError(f"asof_join: two columns would be called {', '.join(twice)}: give other prefixes")
    return lookup_when(
        left.select(*(F.col(f"`{c}`").alias(name) for c, name in ours.items())),
        right.select(*keys, *(F.col(f"`{c}`").alias(name) for c, name in theirs.items())),
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


def first_of(rows: DataFrame, by: Sequence[str], order: Sequence[str | Column]) -> DataFrame:
    """Of the rows that agree in some columns the first one, in an order that leaves nothing open."""
    nth = F.row_number().over(Window.partitionBy(*by).orderBy(*order))
    return rows.withColumn("_nth", nth).where(F.col("_nth") == 1).drop("_nth")


def _check(kinds: Mapping[str, T.DataType], keys: Sequence[str], time: str, side: str, who: str) -> None:
    missing = [c for c in (*keys, time) if c not in kinds]
    if missing:
        raise ConfigurationError(f"{who}: the {side} frame has no column {', '.join(missing)}")
    if not isinstance(kinds[time], _TIMES):
        raise ConfigurationError(f"{who}: {time} is neither whole number nor timestamp nor date")


def _all_known(columns: Sequence[str]) -> Column:
    known = F.lit(True)
    for column in columns:
        known = known & F.col(column).isNotNull()
    return known


def _number(time: Column, kind: T.DataType) -> Column:
    if isinstance(kind, T.TimestampType):
        return F.unix_micros(time)
    return F.unix_date(time).cast("bigint") if isinstance(kind, T.DateType) else time.cast("bigint")


def _is_near(found: Column, limit: int | None) -> Column:
    return F.lit(True) if limit is None else F.coalesce(F.abs(F.col("_t") - found["t"]) <= limit, F.lit(False))
