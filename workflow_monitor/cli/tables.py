"""Tables and texts for a terminal: cut to its width, with control characters escaped."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Mapping, Sequence
from datetime import date, datetime

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from workflow_monitor.client.display import GLYPHS
from workflow_monitor.domain.errors import escape_control_characters
from workflow_monitor.domain.status import Status

#: colours of the terminal's theme
_STYLES: Mapping[Status, str] = {
    Status.NEW: "bright_black",
    Status.PENDING: "blue",
    Status.DONE: "green",
    Status.RETRY: "yellow",
    Status.FAILED: "red",
}


def show_table(heads: Sequence[str], rows: Sequence[Sequence[object]], wide: str) -> None:
    """Print a table with right-aligned numbers; the column `wide` is cut to fit a narrow terminal."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for index, head in enumerate(heads):
        is_number = any(isinstance(row[index], (int, float)) for row in rows)
        shrinks = head == wide
        table.add_column(
            head,
            justify="right" if is_number else "left",
            no_wrap=True,
            overflow="ellipsis",
            min_width=8 if shrinks else None,
        )
    for row in rows:
        table.add_row(*map(_cell, row))
    console().print(table)


def show_lines(text: str) -> None:
    """Print lines of text, cut to the width of the terminal."""
    out = console()
    for line in text.splitlines():
        out.print(Text(escape_control_characters(line)), no_wrap=True, overflow="ellipsis", crop=True)


def show_json(document: object) -> None:
    """Print a JSON document."""
    typer.echo(json.dumps(document, indent=2, default=_plain))


def _plain(value: object) -> str:
    return value.isoformat() if isinstance(value, date) else str(value)


def console() -> Console:
    """Return a console on stdout: coloured on a terminal, otherwise 1,000 columns wide unless COLUMNS is set."""
    width = None if sys.stdout.isatty() else shutil.get_terminal_size((1000, 24)).columns
    return Console(width=width, highlight=False, markup=False, emoji=False)


def _cell(value: object) -> Text:
    if isinstance(value, Status):
        return Text(f"{GLYPHS[value]} {value}", style=_STYLES[value])
    if isinstance(value, datetime):
        return Text(f"{value:%Y-%m-%d %H:%M}")
    if isinstance(value, float):
        return Text(f"{value:.0%}")
    if isinstance(value, int):
        return Text(f"{value:,}")
    return Text("" if value is None else escape_control_characters(str(value)))
