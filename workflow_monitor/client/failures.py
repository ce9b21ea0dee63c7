"""Failures by the shape of their messages: the same words, whatever the ids, dates and paths in them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import pandas as pd

from workflow_monitor.client.documents import EventDocument
from workflow_monitor.client.frames import text_type
from workflow_monitor.domain.status import Kind, Status

NO_MESSAGE = "(no message)"
#: the statuses of what failed
FAILURES = (Status.RETRY, Status.FAILED)

#: What differs between messages of the same shape, in the order in which it is looked for.
_FOLDS: Sequence[tuple[str, str]] = (
    # Kept as it is: what a status code says is the point of the message.
    (r"\b(?:HTTP(?:/[\d.]+)?|status(?: code)?|exit status|errno|error code|code)[ :=]*\d{1,3}\b", r"\g<0>"),
    (r"\b[A-Za-z][A-Za-z0-9+.-]*://[^\s'\"<>\])},;]+(?:\)/[^\s:'\"]*)?", "<url>"),
    (r"\b[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}\b", "<uuid>"),
    (r"\bS[1-6][A-Z_]_[A-Z0-9_]{10,}(?:\.SAFE)?", "<product>"),
    (r"\b\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:[.,]\d+)?)?(?:Z|[+-]\d\d:?\d\d)?)?", "<date>"),
    (r"\b\d{8}T\d{6}Z?\b", "<date>"),
    (r"\b[A-Za-z]:\\[^\s:'\"\])},;]+", "<path>"),
    (r"(?<![\w<>])\.{0,2}(?:/[^\s/:'\"\])},;<>]+){2,}/?", "<path>"),
    (r"\b\d{1,3}(?:\.\d{1,3}){3}(?::\d+)?\b", "<address>"),
    (r"\b(?=\w*_)(?=\w*\d)\w{4,}\b", "<name>"),
    (r"\b(?:\d+(?:\.\d+)?(?:h|ms|us|µs|ns|m|s))+\b", "<duration>"),
    (r"\b(?=[0-9a-fA-F]*\d)(?=[0-9a-fA-F]*[a-fA-F])[0-9a-fA-F]{7,}\b", "<hex>"),
    (r"(?<![\w.])[-+]?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?", "<n>"),
)
_FOLD = re.compile("|".join(f"(?P<f{number}>{pattern})" for number, (pattern, _) in enumerate(_FOLDS)), re.ASCII)
_LONGEST = 500


def shape(message: str) -> str:
    """A message with what is different each time folded away.

    >>> shape("open /tmp/2f1a-77/S1A_IW_SLC__1SDV_20220111T170124.dim: no such file or directory")
    'open <path>: no such file or directory'
    >>> shape("Get https://archive.example.org/p(12)/$value: status 503 Service Unavailable")
    'Get <url>: status 503 Service Unavailable'
    >>> shape("tile 12 waited 10m0s since 2022-01-04T10:34:31Z")
    'tile <n> waited <duration> since <date>'
    """
    folded = _FOLD.sub(_folded, message.strip()[:20_000])
    folded = re.sub(r"\s+", " ", folded)
    return (folded if len(folded) <= _LONGEST else folded[: _LONGEST - 1] + "…") or NO_MESSAGE


def _folded(found: re.Match[str]) -> str:
    number = int(str(found.lastgroup)[1:])
    return found[0] if number == 0 else _FOLDS[number][1]


def grouped(items: Sequence[tuple[Kind, pd.DataFrame]], events: Iterable[EventDocument]) -> pd.DataFrame:
    """The failures among scenes and tiles, by shape and kind, the most frequent first."""
    parts = [frame[["id", "status", "message"]].assign(kind=str(kind)) for kind, frame in items if len(frame)]
    if not parts:
        return _empty()
    all_items = pd.concat(parts, ignore_index=True)
    shapes = {text: shape(text) for text in all_items["message"].unique()}
    all_items["shape"] = all_items["message"].map(shapes).astype(object)
    all_items["since"] = _when(all_items, events)
    rows = [_row(key, part) for key, part in all_items.groupby(["shape", "kind"], sort=False, observed=True)]
    frame = pd.DataFrame(rows, columns=list(_empty().columns))
    return _typed(frame.sort_values(["count", "shape"], ascending=[False, True], ignore_index=True))


def _row(key: Any, part: pd.DataFrame) -> tuple[object, ...]:  # noqa: ANN401 - what groupby gives
    status = part["status"].astype(str)
    counts = [int((status == one).sum()) for one in FAILURES]
    times = part["since"].min(), part["since"].max()
    return (key[0], len(part), key[1], *counts, *times, part["message"].iloc[0], part["id"].tolist())


def _when(items: pd.DataFrame, events: Iterable[EventDocument]) -> pd.Series[Any]:
    """When each item came into the status that it has."""
    last = {(event.type, event.id): event.time for event in events if event.before != event.to}
    times = [last.get(key) for key in zip(items["kind"], items["id"].tolist(), strict=True)]
    return pd.Series(pd.to_datetime(pd.Series(times, dtype=object, index=items.index), utc=True))


def _empty() -> pd.DataFrame:
    names = ["shape", "count", "kind", "retry", "failed", "since", "last", "example", "ids"]
    return _typed(pd.DataFrame({name: [] for name in names}))


def _typed(frame: pd.DataFrame) -> pd.DataFrame:
    convert: Callable[[Any], Any] = lambda column: pd.to_datetime(column, utc=True).dt.as_unit("us")  # noqa: E731
    counts, texts = ("count", "retry", "failed"), ("shape", "example")
    frame = frame.astype(dict.fromkeys(counts, "int64") | dict.fromkeys(texts, text_type()) | {"ids": object})
    kinds = pd.Categorical(frame["kind"], categories=list(map(str, Kind)))
    return frame.assign(kind=kinds, since=convert(frame["since"]), last=convert(frame["last"]))
