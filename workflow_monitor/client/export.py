"""An ingestion as files: GeoParquet, which GeoPandas, DuckDB and QGIS read."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

from workflow_monitor.client.errors import NotSupported

if TYPE_CHECKING:
    from workflow_monitor.client.aoi import AOI


def to_parquet(aoi: AOI, folder: str | PathLike[str]) -> list[Path]:
    """The files that were written: scenes, tiles and, where the server keeps one, the history."""
    target = Path(folder).expanduser()
    target.mkdir(parents=True, exist_ok=True)
    written = [
        _written(target / "scenes.parquet", lambda path: aoi.scenes().to_parquet(path, index=False)),
        _written(target / "tiles.parquet", lambda path: aoi.tiles().to_parquet(path, index=False)),
    ]
    try:
        history = aoi.history()
    except NotSupported:
        return written
    return [*written, _written(target / "history.parquet", lambda path: history.to_parquet(path, index=False))]


def _written(path: Path, write: Callable[[Path], None]) -> Path:
    """The path, once the file is whole: whoever reads it meanwhile sees the old one."""
    handle, name = tempfile.mkstemp(prefix=f".{path.stem}-", suffix=".parquet", dir=path.parent)
    os.close(handle)
    try:
        write(Path(name))
        Path(name).chmod(0o644)
        Path(name).replace(path)
    finally:
        Path(name).unlink(missing_ok=True)
    return path
