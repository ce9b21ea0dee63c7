"""Groups of failures as a frame."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from workflow_monitor.client.frames import text_type
from workflow_monitor.domain.failures import FailureGroup
from workflow_monitor.domain.status import ItemKind


def failure_frame(groups: Sequence[FailureGroup]) -> pd.DataFrame:
    """Return a DataFrame with a row per group, in the order of the groups; times are in UTC."""
    columns: dict[str, Any] = {
        "message_template": pd.array([group.message_template for group in groups], text_type()),
        "count": pd.array([group.count for group in groups], "int64"),
        "kind": pd.Categorical([str(group.kind) for group in groups], categories=list(map(str, ItemKind))),
        "retry": pd.array([group.retry for group in groups], "int64"),
        "failed": pd.array([group.failed for group in groups], "int64"),
        "since": pd.to_datetime(pd.Series([group.since for group in groups], dtype=object), utc=True).dt.as_unit("us"),
        "last": pd.to_datetime(pd.Series([group.last for group in groups], dtype=object), utc=True).dt.as_unit("us"),
        "example": pd.array([group.example for group in groups], text_type()),
        "ids": pd.Series([group.ids for group in groups], dtype=object),
    }
    return pd.DataFrame(columns)
