"""HTML and text displays: inline styles, no scripts, readable on light and dark themes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING

from workflow_monitor.client.hints import hint
from workflow_monitor.domain.errors import escape_control_characters
from workflow_monitor.domain.status import ItemKind, Status

if TYPE_CHECKING:
    from workflow_monitor.domain.models import AOISummary

#: order of the statuses in a bar, from finished to not started
ORDER = (Status.DONE, Status.FAILED, Status.RETRY, Status.PENDING, Status.NEW)
#: colours with contrast on light and dark themes
STATUS_COLORS: Mapping[Status, str] = {
    Status.NEW: "#8c8c8c",
    Status.PENDING: "#2f7ed8",
    Status.DONE: "#3a9d5d",
    Status.RETRY: "#e08a00",
    Status.FAILED: "#d1383d",
}
GLYPHS: Mapping[Status, str] = {
    Status.NEW: "○",
    Status.PENDING: "◔",
    Status.DONE: "✔",
    Status.RETRY: "↻",
    Status.FAILED: "✖",
}
_BLOCKS: Mapping[Status, str] = {
    Status.NEW: "·",
    Status.PENDING: "▒",
    Status.DONE: "█",
    Status.RETRY: "!",
    Status.FAILED: "x",
}
_WIDTH = 40
_FRAME = (
    "font-family:var(--jp-ui-font-family,system-ui,sans-serif);font-size:13px;line-height:1.5;"
    "border:1px solid rgba(128,128,128,.35);border-radius:6px;padding:10px 14px;max-width:760px;color:inherit"
)
_CELL = "padding:1px 12px 1px 0;text-align:right;border:none;background:transparent;color:inherit"
_FAINT = "opacity:.7"
_TABLE = "border-collapse:collapse;margin:6px 0;border:none;background:transparent;color:inherit"

#: message template, count, kind
Group = tuple[str, int, str]


def aoi_repr(summary: AOISummary) -> str:
    """Return an AOI in one line."""
    texts = ", ".join(f"{summary.count(status)} {status.lower()}" for status in ORDER if summary.count(status))
    scenes, tiles = summary.scenes.total(), summary.tiles.total()
    return f"<AOI {escape_control_characters(summary.name)} {summary.status}: {scenes} scenes, {tiles} tiles{f' ({texts})' if texts else ''}>"


def aoi_text(summary: AOISummary, failures: Sequence[Group], note: str = "") -> str:
    """Return the text display of an AOI."""
    lines = [f"{escape_control_characters(summary.name)}  {GLYPHS[summary.status]} {summary.status}"]
    for title, counts in (("Scenes", summary.scenes), ("Tiles", summary.tiles)):
        texts = "  ".join(f"{status.lower()} {counts[status]:,}" for status in ORDER if counts[status])
        lines.append(f"  {title:<7}[{_bar_text(counts)}] {counts.total():,}  {texts}".rstrip())
    if summary.first or summary.last:
        lines.append(f"  Dates  {summary.first or '-'} to {summary.last or '-'}, {summary.root_tiles:,} root tiles")
    if failures:
        lines.append("  Failures")
        lines += [
            f"    {number:>6,} {kind}s  {escape_control_characters(_line(text, 100))}"
            for text, number, kind in failures
        ]
    return "\n".join([*lines, *([f"  {note}"] if note else [])])


def aoi_html(summary: AOISummary, failures: Sequence[Group], note: str = "") -> str:
    """Return the HTML display of an AOI."""
    rows = "".join(
        f'<tr><th scope="row" style="{_CELL};text-align:left">{title}</th><td style="{_CELL}">{counts.total():,}</td>'
        + "".join(f'<td style="{_CELL}">{counts[status]:,}</td>' for status in ORDER)
        + "</tr>"
        for title, counts in (("Scenes", summary.scenes), ("Tiles", summary.tiles))
    )
    heads = "".join(f'<th scope="col" style="{_CELL}">{badge(status)}</th>' for status in ORDER)
    dates = f"{summary.first or '-'} to {summary.last or '-'} · {summary.root_tiles:,} root tiles"
    texts = "".join(
        f'<li><b>{number:,}</b> {escape(kind)}s · <code style="color:inherit;background:transparent">'
        f"{escape(_line(text, 160))}</code></li>"
        for text, number, kind in failures
    )
    failed = f'<div style="margin-top:6px">Failures</div><ul style="margin:2px 0 0 18px;padding:0">{texts}</ul>'
    return (
        f'<div style="{_FRAME}"><div><b style="font-size:15px">{escape(summary.name)}</b> {badge(summary.status)} '
        f'<span style="{_FAINT}">{dates}</span></div>{bar_html(summary.scenes, "Scenes")}{bar_html(summary.tiles, "Tiles")}'
        f'<table style="{_TABLE}"><tr><td style="{_CELL}"></td><th scope="col" style="{_CELL}">total</th>{heads}</tr>'
        f"{rows}</table>{failed if failures else ''}{_note(note)}</div>"
    )


def item_text(kind: ItemKind, number: int, name: str, status: Status, facts: Mapping[str, object]) -> str:
    """Return the text display of a scene or tile."""
    lines = [f"{kind.capitalize()} {number}  {GLYPHS[status]} {status}", f"  {escape_control_characters(name)}"]
    return "\n".join(
        [
            *lines,
            *(
                f"  {fact + ':':<14}{escape_control_characters(_line(str(value), 300))}"
                for fact, value in facts.items()
            ),
        ]
    )


def item_html(kind: ItemKind, number: int, name: str, status: Status, facts: Mapping[str, object]) -> str:
    """Return the HTML display of a scene or tile."""
    rows = "".join(
        f'<tr><th scope="row" style="{_CELL};text-align:left;{_FAINT}">{escape(fact)}</th>'
        f'<td style="{_CELL};text-align:left;white-space:pre-wrap">{escape(str(value)[:2000])}</td></tr>'
        for fact, value in facts.items()
    )
    title = f"{escape(kind.capitalize())} {number} {badge(status)}"
    return (
        f'<div style="{_FRAME}"><div><b>{title}</b></div><div style="overflow-wrap:anywhere">{escape(name)}</div>'
        f'<table style="{_TABLE}">{rows}</table></div>'
    )


def monitor_text(url: str, kind: str, summaries: Sequence[AOISummary], more: int, note: str = "") -> str:
    """Return the text display of a server with its AOIs."""
    names = [escape_control_characters(summary.name) for summary in summaries]
    width = max(map(len, names), default=0)
    lines = [f"{url} ({kind})"]
    for summary, name in zip(summaries, names, strict=True):
        counts = summary.scenes + summary.tiles
        lines.append(f"  {name:<{width}}  {summary.status:<7}  [{_bar_text(counts)}] {_progress(summary):>4}")
    lines += [f"  and {more} more AOIs: {hint('aois')}"] if more else []
    return "\n".join([*lines, *([f"  {note}"] if note else [])])


def monitor_html(url: str, kind: str, summaries: Sequence[AOISummary], more: int, note: str = "") -> str:
    """Return the HTML display of a server with its AOIs."""
    rows = "".join(
        f'<tr><th scope="row" style="{_CELL};text-align:left">{escape(summary.name)}</th>'
        f'<td style="{_CELL};text-align:left">{badge(summary.status)}</td>'
        f'<td style="{_CELL};width:260px">{bar_html(summary.scenes + summary.tiles, summary.name)}</td>'
        f'<td style="{_CELL}">{_progress(summary)}</td></tr>'
        for summary in summaries
    )
    rest = f'<div style="{_FAINT}">and {more} more: <code>m.aois()</code></div>' if more else ""
    empty = "" if summaries else f'<div style="{_FAINT}">No AOI yet: <code>m.create("Name")</code></div>'
    return (
        f'<div style="{_FRAME}"><div><b>Workflow monitor</b> <span style="{_FAINT}">{escape(url)} · {escape(kind)}</span>'
        f'</div><table style="{_TABLE}">{rows}</table>{rest}{empty}{_note(note)}</div>'
    )


def _progress(summary: AOISummary) -> str:
    return "empty" if summary.progress is None else f"{summary.progress:>4.0%} of {summary.count():,}"


def badge(status: Status) -> str:
    """Return a status as a coloured glyph with its name."""
    return f'<span style="color:{STATUS_COLORS[status]};white-space:nowrap">{GLYPHS[status]} {status}</span>'


def bar_html(counts: Counter[Status], title: str) -> str:
    """Return a bar with the shares of the statuses and a text alternative."""
    total = counts.total()
    texts = ", ".join(f"{status.lower()} {counts[status]:,}" for status in ORDER if counts[status]) or "nothing"
    parts = "".join(
        f'<span style="flex:{counts[status]} 0 0;background:{STATUS_COLORS[status]};min-width:2px"></span>'
        for status in ORDER
        if counts[status]
    )
    label = escape(f"{title}: {texts}", quote=True)
    style = "display:flex;height:9px;border-radius:4px;overflow:hidden;background:rgba(128,128,128,.25);margin:4px 0"
    return f'<div role="img" aria-label="{label}" title="{label}" style="{style}">{parts if total else ""}</div>'


def _bar_text(counts: Counter[Status]) -> str:
    total = counts.total()
    if not total:
        return " " * _WIDTH
    text, passed = "", 0
    for status in ORDER:
        passed += counts[status]
        text += _BLOCKS[status] * (round(passed / total * _WIDTH) - len(text))
    return text


def _note(note: str) -> str:
    return f'<div style="{_FAINT};margin-top:4px">{escape(note)}</div>' if note else ""


def _line(text: str, longest: int) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= longest else flat[: longest - 1] + "…"
