"""Export of an AOI to Parquet: GeoParquet for scenes and tiles."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

from workflow_monitor.client.errors import NotSupported

if TYPE_CHECKING:
    import geopandas as gpd
    import pandas as pd


def to_parquet(
    folder: str | PathLike[str],
    scenes: Callable[[], gpd.GeoDataFrame],
    tiles: Callable[[], gpd.GeoDataFrame],
    history: Callable[[], pd.DataFrame],
) -> list[Path]:
    """Write a file per frame and return the paths. A server without a history leaves out `history.parquet`."""
    target = Path(folder).expanduser()
    target.mkdir(parents=True, exist_ok=True)
    paths = [_write(target / "scenes.parquet", scenes()), _write(target / "tiles.parquet", tiles())]
    try:
        events = history()
    except NotSupported:
        return paths
    return [*paths, _write(target / "history.parquet", events)]


def _write(path: Path, frame: pd.DataFrame) -> Path:
    """Replace a file atomically, so that concurrent readers see either the old file or the new one."""
    handle, name = tempfile.mkstemp(prefix=f".{path.stem}-", suffix=".parquet", dir=path.parent)
    os.close(handle)
    try:
        frame.to_parquet(name, index=False)
        Path(name).chmod(0o644)
        Path(name).replace(path)
    finally:
        Path(name).unlink(missing_ok=True)
    return path
