"""UTC days and epoch milliseconds."""

import datetime as dt

DAY_MS = 86_400_000
_EPOCH = dt.date(1970, 1, 1)


def day_start_ms(day: dt.date) -> int:
    """First millisecond of a UTC day."""
    return (day - _EPOCH).days * DAY_MS


def day_of(ms: int) -> dt.date:
    """The UTC day of an epoch millisecond."""
    return dt.date.fromordinal(_EPOCH.toordinal() + ms // DAY_MS)


def days_of(from_ms: int, until_ms: int) -> list[dt.date]:
    """The days that `[from_ms, until_ms)` meets."""
    return [day_of(n * DAY_MS) for n in range(from_ms // DAY_MS, -(-until_ms // DAY_MS))]
