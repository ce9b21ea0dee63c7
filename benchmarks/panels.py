"""Time, memory and traffic of the map and the lanes in a browser.

    python -m benchmarks.panels --tiles 1000 100000 1000000

For each size a real Jupyter server holds one AOI with that many tiles, five per scene, each scene with its own footprint.
JupyterLab in Chromium shows the panel. Measured: time to the first paint, frame time while dragging, bytes per status
change, and memory of the page with and without the panel. The limit is a fetch of the same response by the same page in
the same run.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import psutil
from playwright.sync_api import Page, sync_playwright

from benchmarks.ingestion import AOI, TILES_PER_SCENE, fill, scene_on_earth
from tests.browser.lab import OPTIONS, Lab
from tests.server_process import live_server

CHROMIUM = "/usr/bin/chromium"
CHANGES = 20
#: records the insertion of a panel into the page, and its first count
WATCHING = """
globalThis.seen = {};
new MutationObserver(() => {
  if (!seen.panel && document.querySelector(".wm-panel")) seen.panel = performance.now();
  if (!seen.painted && /[0-9]/.test(document.querySelector(".wm-legend .wm-count")?.textContent ?? "")) {
    seen.painted = true;
    requestAnimationFrame(() => setTimeout(() => { seen.first = performance.now(); }));
  }
}).observe(document, { childList: true, subtree: true, characterData: true });
"""
FETCHED = """async path => {
  const begun = performance.now();
  const bytes = await (await fetch(path)).arrayBuffer();
  return [performance.now() - begun, bytes.byteLength];
}"""
FRAMES = """() => new Promise(resolve => {
  const times = [];
  const note = now => times.push(now) < 60 ? requestAnimationFrame(note) : resolve(times);
  requestAnimationFrame(note);
})"""


@contextmanager
def opened(lab: Lab, cell: str) -> Iterator[Page]:
    """JupyterLab with a notebook that shows a panel of the AOI."""
    start = f"from workflow_monitor import Monitor\naoi = Monitor()[{AOI!r}]"
    with lab.notebook(cell, start=start, script=WATCHING) as page:
        page.wait_for_function("() => seen.first", timeout=300_000)
        yield page


def megabytes() -> float:
    """Return the memory of the largest page of the browser, in MB."""
    renderers = [
        process.memory_info().rss
        for process in psutil.Process().children(recursive=True)
        if "--type=renderer" in " ".join(process.cmdline())
    ]
    return float(max(renderers)) / 1e6


def drag(page: Page, selector: str) -> float:
    """The median time of a frame in milliseconds while a panel is dragged."""
    box = page.locator(selector).bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.evaluate(f"() => {{ globalThis.frames = ({FRAMES})(); }}")
    for step in range(40):
        page.mouse.move(x + 3 * (step % 20), y + 2 * (step % 20))
    times: list[float] = page.evaluate("() => frames")
    page.mouse.up()
    return statistics.median(after - before for before, after in pairwise(times))


def note(ours: set[str], event: dict[str, Any]) -> None:
    """Remember a request to the workflow server; the page has others, as when it saves the notebook."""
    if "/workflow-monitor/" in event["request"]["url"]:
        ours.add(event["requestId"])


def bytes_per_change(page: Page, client: httpx.Client) -> float:
    """Return the bytes that the page receives for one status change, until it is drawn."""
    session = page.context.new_cdp_session(page)
    session.send("Network.enable")
    received: list[int] = []
    ours: set[str] = set()
    session.on("Network.requestWillBeSent", lambda event: note(ours, event))
    session.on("Network.eventSourceMessageReceived", lambda event: received.append(len(event["data"])))
    session.on(
        "Network.dataReceived",
        lambda event: received.append(int(event["dataLength"])) if event["requestId"] in ours else None,
    )
    for number in range(CHANGES):
        client.put(f"/scene/{1 + number // 2}/force/{'RETRY' if number % 2 == 0 else 'PENDING'}").raise_for_status()
    page.wait_for_timeout(2000)
    return sum(received) / CHANGES


def measured(lab: Lab, client: httpx.Client, panel: str, path: str, selector: str) -> dict[str, float]:
    """The figures of a panel over the AOI that the server has."""
    with opened(lab, f"aoi.{panel}()") as page:
        seen: dict[str, Any] = page.evaluate("() => seen")
        answers = [page.evaluate(FETCHED, f"{lab.server.url}/aoi/{AOI}/{path}") for _ in range(3)]
        return {
            "first paint": seen["first"] - seen["panel"],
            "answer": statistics.median(answer[0] for answer in answers),
            "answer MB": answers[0][1] / 1e6,
            "frame": drag(page, selector),
            "bytes": bytes_per_change(page, client),
            "MB": megabytes(),
        }


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tiles", type=int, nargs="+", default=[1000, 100_000])
    options = parser.parse_args()
    print(
        "| panel | items | first paint, ms | answer alone, ms | ratio | answer, MB | frame, ms | bytes a change | page, MB |"
    )
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=[*OPTIONS])
        for tiles in options.tiles:
            with tempfile.TemporaryDirectory() as folder, live_server(Path(folder), lab=True) as server:
                headers = {"Authorization": f"token {server.token}"}
                with httpx.Client(base_url=server.url, headers=headers, timeout=120) as client:
                    fill(client, tiles, scene_on_earth)
                    lab = Lab(server, Path(folder), browser)
                    for panel, path, selector, items in (
                        ("map", "footprints", ".leaflet-container", tiles // TILES_PER_SCENE),
                        ("graph", "lanes", ".wm-lanes", tiles),
                    ):
                        found = measured(lab, client, panel, path, selector)
                        print(
                            f"| {panel} | {items:,} | {found['first paint']:.0f} | {found['answer']:.0f} | "
                            f"{found['first paint'] / found['answer']:.1f} | {found['answer MB']:.1f} | {found['frame']:.0f} | "
                            f"{found['bytes']:.0f} | {found['MB']:.0f} |",
                            flush=True,
                        )
        browser.close()


if __name__ == "__main__":
    began = time.perf_counter()
    main()
    print(f"\n{time.perf_counter() - began:.0f} s")
