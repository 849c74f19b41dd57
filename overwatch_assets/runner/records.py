"""Change records as Arrow rows, many at a time: a load of a day may write tens of thousands."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from overwatch_assets.rules.days import DAY_MS
from overwatch_assets.runner.window import Window

RECORD = pa.schema(
    [
        ("fromTS", pa.int64()),
        ("untilTS", pa.int64()),
        ("keys", pa.map_(pa.string(), pa.list_(pa.string()))),
        ("starts", pa.int64()),
        ("ends", pa.int64()),
    ]
)
"""One row: one image of one changed row, or of several that say the same.

- `fromTS`, `untilTS`: the load's window; of bronze the day that gained rows.
- `keys`: values of entity and link columns, as text.
- `starts`, `ends`: the time that changed, epoch ms, its end exclusive; null: not bounded.
"""
FROM_EVER, FOR_EVER = -(2**60), 2**60
"""Bounds of a time that has none, epoch ms."""

_Int64 = npt.NDArray[np.int64]


def change_records(
    rows: pa.Table,
    keys: Sequence[str],
    window: Window | str,
    *,
    per: Sequence[str] | None = None,
    times: tuple[str, str] | None = None,
) -> pa.Table:
    """Return change records, schema `RECORD`: one for all rows that agree in some columns.

    A record has every value that its rows have, and the time from the first start to the last end.

    Args:
        rows: the rows; a list among their values stands for each of its own.
        keys: columns that the records tell of.
        window: of all records; or the column with the day that is a record's window.
        per: the columns to agree in, if not ``keys``; rows of several days never do.
        times: columns with a row's start and end, `FROM_EVER` and `FOR_EVER` where it has none.
    """
    if not rows.num_rows:
        return RECORD.empty_table()
    columns = {name: rows.column(name).combine_chunks() for name in rows.column_names}
    agreed = [*(keys if per is None else per), *([window] if isinstance(window, str) else [])]
    first, group = _grouped([_codes(columns[name]) for name in agreed], rows.num_rows)
    count = len(first)
    begin, end = pa.nulls(count, pa.int64()), pa.nulls(count, pa.int64())
    if times is not None:
        begin, end = _bounds(columns[times[0]].to_numpy(), columns[times[1]].to_numpy(), group, count)
    if isinstance(window, str):
        from_ms = columns[window].take(pa.array(first)).cast(pa.int32()).to_numpy().astype(np.int64) * DAY_MS
        until_ms = from_ms + DAY_MS
    else:
        from_ms, until_ms = np.full(count, window.from_ms), np.full(count, window.until_ms)
    values = [
        pa.array(from_ms),
        pa.array(until_ms),
        _maps({name: _distinct(columns[name], group, count) for name in sorted(keys)}, count),
        begin,
        end,
    ]
    return pa.Table.from_arrays(values, schema=RECORD)


def merged(records: Sequence[pa.Table]) -> pa.Table:
    """Records of one window and the same columns, those of the same keys as one."""
    rows = pa.concat_tables(records).combine_chunks()
    if not rows.num_rows:
        return rows
    items = rows.column("keys").chunk(0).items
    names = len(items) // rows.num_rows
    codes = [_codes(items.take(pa.array(np.arange(name, len(items), names)))) for name in range(names)]
    first, group = _grouped(codes, rows.num_rows)
    starts = pc.fill_null(rows.column("starts"), FROM_EVER).to_numpy()
    ends = pc.fill_null(rows.column("ends"), FOR_EVER).to_numpy()
    begin, end = _bounds(starts, ends, group, len(first))
    return rows.take(pa.array(first)).set_column(3, "starts", begin).set_column(4, "ends", end)


def _bounds(starts: _Int64, ends: _Int64, group: _Int64, count: int) -> tuple[pa.Array, pa.Array]:
    """The first start and the last end of each group."""
    begin, end = np.full(count, FOR_EVER), np.full(count, FROM_EVER)
    np.minimum.at(begin, group, starts)
    np.maximum.at(end, group, ends)
    return pa.array(begin, mask=begin == FROM_EVER), pa.array(end, mask=end == FOR_EVER)


def _texts(values: pa.Array) -> tuple[_Int64, pa.StringArray]:
    """The values as text, those of lists taken apart, without nulls; and the row of each."""
    at = np.arange(len(values))
    if pa.types.is_list(values.type):
        at, values = pc.list_parent_indices(values).to_numpy(), pc.list_flatten(values)
    there = pc.is_valid(values)
    return at[there.to_numpy(zero_copy_only=False)], values.filter(there).cast(pa.string())


def _codes(values: pa.Array) -> _Int64:
    """A number for each value, the same for equal ones."""
    if pa.types.is_list(values.type):
        at, texts = _texts(values)
        numbers = pa.array(_codes(texts)).cast(pa.string())
        values = pc.binary_join(_lists(numbers, np.bincount(at, minlength=len(values))), ",")
    found: _Int64 = pc.dictionary_encode(values, null_encoding="encode").indices.to_numpy().astype(np.int64)
    return found


def _grouped(codes: Sequence[_Int64], count: int) -> tuple[_Int64, _Int64]:
    """Number the rows with equal codes: the first row of each group in the order of the rows, and each row's group."""
    group = np.zeros(count, np.int64)
    for code in codes:
        _, group = np.unique(group * (int(code.max()) + 1) + code, return_inverse=True)
    _, first = np.unique(group, return_index=True)
    order = np.argsort(first)
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    return first[order], rank[group]


def _distinct(values: pa.Array, group: _Int64, count: int) -> pa.ListArray:
    """The distinct values of each group, as text, in the order of their rows."""
    at, texts = _texts(values)
    if not len(at):
        return _lists(texts, np.zeros(count, np.int64))
    codes = _codes(texts)
    _, first = np.unique(group[at] * (int(codes.max()) + 1) + codes, return_index=True)
    first = first[np.lexsort((first, group[at[first]]))]
    return _lists(texts.take(pa.array(first)), np.bincount(group[at[first]], minlength=count))


def _lists(values: pa.Array, lengths: _Int64) -> pa.ListArray:
    return pa.ListArray.from_arrays(pa.array(np.append(0, np.cumsum(lengths)), pa.int32()), values)


def _maps(lists: dict[str, pa.ListArray], count: int) -> pa.MapArray:
    """A map of each row, with the same names in all of them."""
    names = len(lists)
    keys = pa.array(list(lists), pa.string()).take(pa.array(np.tile(np.arange(names), count)))
    by_row = np.arange(names * count).reshape(names, count).T.ravel() if names else np.empty(0, np.int64)
    items = pa.concat_arrays(lists.values()).take(pa.array(by_row)) if names else pa.nulls(0, pa.list_(pa.string()))
    offsets = pa.array(np.arange(count + 1) * names, pa.int32())
    return pa.MapArray.from_arrays(offsets, keys, items)
