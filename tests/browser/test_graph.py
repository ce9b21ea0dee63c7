"""The dependency graph in JupyterLab: lanes on a canvas, the graph drawn by Graphviz, and the card of an item."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Locator, Position, expect

from tests.browser.lab import BUSY, Lab, panel, status_of
from tests.example_servers import call

pytestmark = pytest.mark.usefixtures("one_scene_in_retry")

GRAPH = "aoi.graph()"
#: Position of the first cell of the lanes.
FIRST: Position = {"x": 92 + 5, "y": 20 + 5}


def ready(graph: Locator) -> Locator:
    expect(graph.locator(".wm-legend")).to_contain_text(re.compile(r"PENDING\s*\d+"))
    return graph


def await_drawn(graph: Locator) -> None:
    """Wait until the canvas has more than one colour."""
    canvas = graph.locator("canvas").element_handle()
    graph.page.wait_for_function(
        """canvas => new Set(new Uint32Array(
          canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data.buffer)).size > 2""",
        arg=canvas,
    )


def test_a_tile_is_failed_by_force_after_a_preview(lab: Lab) -> None:
    with lab.notebook(GRAPH, BUSY) as page:
        graph = ready(panel(page, "Dependency graph"))
        await_drawn(graph)
        graph.locator("canvas").click(position=FIRST)
        card = graph.locator(".wm-card")
        expect(card).to_contain_text(re.compile(r"tile \d+"))
        tile_id = int(re.search(r"tile (\d+)", card.inner_text())[1])  # type: ignore[index]
        expect(card.get_by_text("Scene:")).to_be_visible()
        expect(card.get_by_text("Next:")).to_be_visible()
        expect(card).to_contain_text("job queued since")
        card.get_by_role("button", name="Force fail…").click()
        dialog = graph.locator("dialog")
        expect(dialog).to_contain_text("Fail tile")
        expect(dialog).to_contain_text("only this item will be FAILED")
        expect(dialog).to_contain_text("1 will be relinked")
        dialog.get_by_role("button", name="Cancel").click()
        assert status_of(lab, "tile", tile_id) == "PENDING"
        card.get_by_role("button", name="Force fail…").click()
        dialog.get_by_role("button", name="Fail", exact=True).click()
        expect(card).to_contain_text("FAILED")
        assert status_of(lab, "tile", tile_id) == "FAILED"
        expect(graph.locator(".wm-legend")).to_contain_text(re.compile(r"FAILED\s*[1-9]"))


def test_arrow_keys_follow_the_links(lab: Lab) -> None:
    with lab.notebook(GRAPH) as page:
        graph = ready(panel(page, "Dependency graph"))
        graph.locator("canvas").focus()
        message = graph.locator(".wm-message")
        page.keyboard.press("ArrowDown")
        expect(message).to_have_text(re.compile(r"^Tile \d+, "))
        first = message.inner_text()
        page.keyboard.press("ArrowRight")
        expect(message).not_to_have_text(first)
        page.keyboard.press("Enter")
        expect(graph.locator(".wm-card h4")).to_be_visible()
        expect(graph.locator(".wm-card")).to_be_focused()


def test_search_and_restrictions(lab: Lab) -> None:
    with lab.notebook(GRAPH) as page:
        graph = ready(panel(page, "Dependency graph"))
        graph.get_by_label("Search by name or id").fill("t5")
        graph.get_by_label("Search by name or id").press("Enter")
        card = graph.locator(".wm-card")
        expect(card).to_contain_text("tile 5")
        graph.get_by_role("button", name="Neighbours only").click()
        graph.get_by_role("button", name="Hide completed").click()
        graph.get_by_role("button", name="Fit").click()
        expect(graph.get_by_role("button", name="Neighbours only")).to_have_attribute("aria-pressed", "true")
        graph.get_by_label("Search by name or id").fill("no such name")
        graph.get_by_label("Search by name or id").press("Enter")
        expect(graph.locator(".wm-message")).to_have_text("No scene or tile matches “no such name”.")
        graph.get_by_role("button", name="Next failed").click()
        expect(card).to_contain_text(re.compile("RETRY|FAILED"))


def test_graphviz_shows_the_same_items_and_actions(lab: Lab) -> None:
    with lab.notebook(GRAPH) as page:
        graph = ready(panel(page, "Dependency graph"))
        graph.get_by_role("button", name="Graphviz", exact=True).click()
        svg = graph.locator(".wm-dot svg")
        expect(svg.locator("g.node")).to_have_count(24)
        graph.get_by_label(re.compile("RETRY")).uncheck()
        expect(svg.locator(".wm-faint")).to_have_count(1)
        graph.get_by_label(re.compile("RETRY")).check()
        expect(svg.locator(".wm-faint")).to_have_count(0)
        node = svg.locator('[data-item="s3"]')
        node.focus()
        page.keyboard.press("Enter")
        card = graph.locator(".wm-card")
        expect(card).to_contain_text("scene 3")
        card.get_by_role("button", name="Retry…").click()
        graph.locator("dialog").get_by_role("button", name="Retry").click()
        expect(card).to_contain_text("PENDING")
        assert status_of(lab) == "PENDING"


def test_the_lanes_follow_the_server_while_a_cell_runs(lab: Lab) -> None:
    with lab.notebook(GRAPH, BUSY) as page:
        graph = ready(panel(page, "Dependency graph"))
        legend = graph.locator(".wm-legend")
        before = int(re.search(r"DONE\s*(\d+)", legend.inner_text())[1])  # type: ignore[index]
        call(lab.server, "PUT", "tile/6/force/DONE")
        expect(legend).to_contain_text(re.compile(rf"DONE\s*{before + 1}"))
        call(lab.server, "PUT", "tile/6/force/NEW")
        expect(legend).to_contain_text(re.compile(rf"DONE\s*{before}\b"))


def test_panels_of_an_empty_aoi(lab: Lab) -> None:
    with lab.notebook('m.create("Empty").graph()', 'm["Empty"].map()', 'm["Empty"].panels.timeline()') as page:
        expect(panel(page, "Dependency graph").locator(".wm-legend")).to_contain_text(re.compile(r"DONE\s*0"))
        expect(panel(page, "Map").locator(".wm-legend")).to_contain_text(re.compile(r"DONE\s*0"))
        expect(panel(page, "Timeline").get_by_text("No running jobs.")).to_be_visible()
