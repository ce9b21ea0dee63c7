"""The dependency graph in JupyterLab: lanes on a canvas, dot as a picture, and every item with its neighbours."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Locator, Position, expect

from tests.browser.lab import Lab, panel, status_of
from tests.example_servers import call

pytestmark = pytest.mark.usefixtures("one_scene_in_retry")

GRAPH = "aoi.graph()"
#: where the first cell of the lanes is
FIRST: Position = {"x": 92 + 5, "y": 20 + 5}


def ready(shown: Locator) -> Locator:
    expect(shown.locator(".wm-legend")).to_contain_text(re.compile(r"PENDING\s*\d+"), timeout=20_000)
    return shown


def drawn(shown: Locator) -> None:
    """Wait until the canvas has more than one colour."""
    canvas = shown.locator("canvas").element_handle()
    shown.page.wait_for_function(
        """canvas => new Set(new Uint32Array(
          canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data.buffer)).size > 2""",
        arg=canvas,
    )


def test_a_tile_is_chosen_and_given_up_by_force_knowing_what_it_does(lab: Lab) -> None:
    with lab.notebook(GRAPH, "import time; time.sleep(120)") as page:
        shown = ready(panel(page, "Dependency graph"))
        drawn(shown)
        shown.locator("canvas").click(position=FIRST)
        card = shown.locator(".wm-card")
        expect(card).to_contain_text(re.compile(r"tile \d+"))
        number = int(re.search(r"tile (\d+)", card.inner_text())[1])  # type: ignore[index]
        expect(card.get_by_text("Scene:")).to_be_visible()
        expect(card.get_by_text("Next:")).to_be_visible()
        expect(card).to_contain_text("job waits for a worker since")
        card.get_by_role("button", name="Give up by force …").click()
        dialog = shown.locator("dialog")
        expect(dialog).to_contain_text("Give up tile")
        expect(dialog).to_contain_text("only this one will be FAILED")
        expect(dialog).to_contain_text("1 will follow another")
        dialog.get_by_role("button", name="Cancel").click()
        assert status_of(lab, "tile", number) == "PENDING"
        card.get_by_role("button", name="Give up by force …").click()
        dialog.get_by_role("button", name="Give up").click()
        expect(card).to_contain_text("FAILED")
        assert status_of(lab, "tile", number) == "FAILED"
        expect(shown.locator(".wm-legend")).to_contain_text(re.compile(r"FAILED\s*[1-9]"))


def test_keys_go_along_the_links(lab: Lab) -> None:
    with lab.notebook(GRAPH) as page:
        shown = ready(panel(page, "Dependency graph"))
        shown.locator("canvas").focus()
        said = shown.locator(".wm-said")
        page.keyboard.press("ArrowDown")
        expect(said).to_have_text(re.compile(r"^Tile \d+, "))
        first = said.inner_text()
        page.keyboard.press("ArrowRight")
        expect(said).not_to_have_text(first)
        page.keyboard.press("Enter")
        expect(shown.locator(".wm-card h4")).to_be_visible()
        expect(shown.locator(".wm-card")).to_be_focused()


def test_finding_folding_and_neighbours(lab: Lab) -> None:
    with lab.notebook(GRAPH) as page:
        shown = ready(panel(page, "Dependency graph"))
        shown.get_by_label("Find by name or id").fill("t5")
        shown.get_by_label("Find by name or id").press("Enter")
        card = shown.locator(".wm-card")
        expect(card).to_contain_text("tile 5")
        shown.get_by_role("button", name="Neighbours only").click()
        shown.get_by_role("button", name="Fold what is done").click()
        shown.get_by_role("button", name="Show all").click()
        expect(shown.get_by_role("button", name="Neighbours only")).to_have_attribute("aria-pressed", "true")
        shown.get_by_label("Find by name or id").fill("no such name")
        shown.get_by_label("Find by name or id").press("Enter")
        expect(shown.locator(".wm-said")).to_have_text("Nothing is called no such name.")
        shown.get_by_role("button", name="Next that failed").click()
        expect(card).to_contain_text(re.compile("RETRY|FAILED"))


def test_dot_shows_the_same_and_repairs_too(lab: Lab) -> None:
    with lab.notebook(GRAPH) as page:
        shown = ready(panel(page, "Dependency graph"))
        shown.get_by_role("button", name="Dot", exact=True).click()
        picture = shown.locator(".wm-dot svg")
        expect(picture.locator("g.node")).to_have_count(24, timeout=20_000)
        shown.get_by_label(re.compile("RETRY")).uncheck()
        expect(picture.locator(".wm-faint")).to_have_count(1)
        shown.get_by_label(re.compile("RETRY")).check()
        expect(picture.locator(".wm-faint")).to_have_count(0)
        node = picture.locator('[data-item="s3"]')
        node.focus()
        page.keyboard.press("Enter")
        card = shown.locator(".wm-card")
        expect(card).to_contain_text("scene 3")
        card.get_by_role("button", name="Retry …").click()
        shown.locator("dialog").get_by_role("button", name="Retry").click()
        expect(card).to_contain_text("PENDING")
        assert status_of(lab) == "PENDING"


def test_what_changes_shows_in_the_lanes_while_a_cell_runs(lab: Lab) -> None:
    with lab.notebook(GRAPH, "import time; time.sleep(120)") as page:
        shown = ready(panel(page, "Dependency graph"))
        done = shown.locator(".wm-legend")
        before = int(re.search(r"DONE\s*(\d+)", done.inner_text())[1])  # type: ignore[index]
        call(lab.server, "PUT", "tile/6/force/DONE")
        expect(done).to_contain_text(re.compile(rf"DONE\s*{before + 1}"), timeout=3_000)
        call(lab.server, "PUT", "tile/6/force/NEW")
        expect(done).to_contain_text(re.compile(rf"DONE\s*{before}\b"), timeout=3_000)


def test_a_graph_of_nothing(lab: Lab) -> None:
    with lab.notebook('m.create("Empty").graph()', 'm["Empty"].map()', 'm["Empty"].panels.timeline()') as page:
        expect(panel(page, "Dependency graph").locator(".wm-legend")).to_contain_text(re.compile(r"DONE\s*0"))
        expect(panel(page, "Map").locator(".wm-legend")).to_contain_text(re.compile(r"DONE\s*0"))
        expect(panel(page, "Timeline").get_by_text("Nothing is running.")).to_be_visible()
