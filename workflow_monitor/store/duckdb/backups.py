"""Where the backups of a store are, and how one gets back to them."""

from __future__ import annotations

import re
import shlex
from datetime import UTC, datetime
from pathlib import Path

_NAME = re.compile(r"(\d{8}T\d{6}Z)\.duckdb")
_TIME = "%Y%m%dT%H%M%SZ"


def folder_of(store: Path) -> Path:
    """The folder with the backups of a store."""
    return store.with_name(store.name + ".backups")


def backup_at(store: Path, moment: datetime) -> Path:
    """The file of the backup that is made at a time."""
    return folder_of(store) / f"{moment.astimezone(UTC).strftime(_TIME)}.duckdb"


def made_at(backup: Path) -> datetime | None:
    """When a backup was made, as its name tells."""
    found = _NAME.fullmatch(backup.name)
    return datetime.strptime(found[1], _TIME).replace(tzinfo=UTC) if found else None


def listed(store: Path) -> list[Path]:
    """The backups of a store, the last first."""
    try:
        return sorted((file for file in folder_of(store).iterdir() if _NAME.fullmatch(file.name)), reverse=True)
    except OSError:
        return []


def way_back(store: Path) -> str:
    """What to do about a store that cannot be used: the command that restores its last backup."""
    command = f"workflow-monitor restore {shlex.quote(str(store))}"
    for last in listed(store):
        return f"To keep it aside and restore the last backup, of {made_at(last):%Y-%m-%d %H:%M} UTC: {command}"
    return (
        f"There is no backup in {folder_of(store)}. To keep it aside and restore one from elsewhere: "
        f"{command} --backup FILE; or choose another file by store_url."
    )
