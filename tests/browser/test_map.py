"""The map in JupyterLab: footprints by status, filters, selection, and actions on items."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.lab import BUSY, MORTAL, Lab, kill_kernel, panel, status_of
from tests.example_servers import call

pytestmark = pytest.mark.usefixtures("one_scene_in_retry")

MAP = "aoi.map()"
PAINTED = """panes => {
  const canvas = panes?.querySelectorAll("canvas")[1];
  if (!canvas) return 0;
  const data = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
  let painted = 0;
  for (let at = 3; at < data.length; at += 4) if (data[at] > 0) painted += 1;
  return painted;
}"""


def painted(map_panel: Locator) -> int:
    """Count the pixels of footprints."""
    count: int = map_panel.locator(".leaflet-overlay-pane").evaluate(PAINTED)
    return count


def await_painted(page: Page, condition: str) -> None:
    """Wait until the count of the pixels meets a condition."""
    page.wait_for_function(f"({PAINTED})(document.querySelector('.leaflet-overlay-pane')) {condition}")


def ready(map_panel: Locator) -> Locator:
    """Return the map once its footprints are drawn."""
    expect(map_panel.locator(".wm-legend")).to_contain_text(re.compile(r"DONE\s*2"))
    await_painted(map_panel.page, "> 1000")
    return map_panel


def next_failed(map_panel: Locator) -> Locator:
    expect(map_panel.locator(".wm-legend")).to_contain_text(re.compile(r"RETRY\s*[1-9]"))
    map_panel.get_by_role("button", name="Next failed").click()
    card = map_panel.locator(".leaflet-popup .wm-card")
    expect(card.locator("h4")).to_be_visible()
    await_still(map_panel)
    return card


def await_still(map_panel: Locator) -> None:
    """Wait until the map has moved to show a card: a click would miss a moving target."""
    expect(map_panel.locator(".leaflet-pan-anim")).to_have_count(0)


def test_footprints_are_drawn_and_filtered_by_status_and_date(lab: Lab) -> None:
    with lab.notebook(MAP) as page:
        map_panel = ready(panel(page, "Map"))
        expect(map_panel).to_have_attribute("data-transport", "FetchTransport")
        everything = painted(map_panel)
        map_panel.get_by_label(re.compile("DONE")).uncheck()
        await_painted(page, f"< {everything}")
        map_panel.get_by_label(re.compile("DONE")).check()
        await_painted(page, f"== {everything}")
        before = map_panel.locator(".wm-dates span").inner_text()
        map_panel.get_by_label("First date").press("End")
        expect(map_panel.locator(".wm-dates span")).not_to_have_text(before)
        await_painted(page, f"< {everything}")


def test_a_scene_is_retried_on_its_card_while_a_cell_runs(lab: Lab) -> None:
    with lab.notebook(MAP, BUSY) as page:
        map_panel = ready(panel(page, "Map"))
        card = next_failed(map_panel)
        expect(card).to_contain_text("badly formatted storage uri")
        expect(card).to_contain_text(re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC"))
        card.get_by_role("button", name="Retry…").click()
        map_panel.locator("dialog").get_by_role("button", name="Retry").click()
        expect(map_panel.locator(".wm-legend")).to_contain_text(re.compile(r"RETRY\s*0"))
        expect(card).to_contain_text("PENDING")
        assert status_of(lab) == "PENDING"
        call(lab.server, "PUT", "scene/3/force/RETRY")
        expect(card.get_by_role("button", name="Retry…")).to_be_visible()
        expect(map_panel.locator(".wm-legend")).to_contain_text(re.compile(r"RETRY\s*1"))


def test_a_scene_is_failed_by_keyboard_after_the_kernel_has_died(lab: Lab) -> None:
    with lab.notebook(MAP, MORTAL) as page:
        map_panel = ready(panel(page, "Map"))
        kill_kernel(lab, page)
        map_panel.get_by_role("button", name="Next failed").focus()
        page.keyboard.press("Enter")
        card = map_panel.locator(".leaflet-popup .wm-card")
        card.get_by_role("button", name="Fail…").focus()
        page.keyboard.press("Enter")
        dialog = map_panel.locator("dialog")
        expect(dialog).to_contain_text("6 items will be FAILED, including this one")
        page.keyboard.press("Enter")
        expect(card).to_contain_text("FAILED")
        assert status_of(lab) == "FAILED"
    call(lab.server, "PUT", "scene/3/force/RETRY")


def test_a_click_and_a_box_select(lab: Lab) -> None:
    with lab.notebook(MAP) as page:
        map_panel = ready(panel(page, "Map"))
        container = map_panel.locator(".leaflet-container")
        frame = container.bounding_box()
        assert frame is not None
        middle = frame["x"] + frame["width"] / 2, frame["y"] + frame["height"] / 2
        page.mouse.click(*middle)
        expect(map_panel.locator(".wm-selection strong")).to_have_text(re.compile(r"^\d scenes? selected$"))
        expect(map_panel.locator(".leaflet-popup h4")).to_have_text(re.compile("^S1"))
        map_panel.get_by_role("button", name="Box select").click()
        page.mouse.move(frame["x"] + 60, frame["y"] + 5)
        page.mouse.down()
        page.mouse.move(frame["x"] + frame["width"] - 5, frame["y"] + frame["height"] - 5, steps=5)
        page.mouse.up()
        expect(map_panel.locator(".wm-selection strong")).to_have_text("4 scenes selected")
        map_panel.locator(".wm-selection").get_by_role("button", name="Retry 1…").click()
        map_panel.locator("dialog").get_by_role("button", name="Cancel").click()
        assert status_of(lab) == "RETRY"


def test_items_without_a_footprint_are_listed(lab: Lab) -> None:
    with lab.notebook(MAP) as page:
        map_panel = ready(panel(page, "Map"))
        map_panel.get_by_label("Item type").select_option("tile")
        missing = map_panel.locator("details", has_text="20 tiles without a footprint")
        missing.locator("summary").click()
        missing.get_by_role("button", name=re.compile(r"tile 1$")).click()
        expect(map_panel.locator(".leaflet-popup .wm-card")).to_contain_text("tile 1")


def test_hostile_names_are_shown_and_never_run(lab: Lab) -> None:
    name = '<img src=x onerror="alert(1)">_T32UNG_20220104T100000'
    call(lab.server, "POST", "aoi/Hostile")
    data = {"date": "2022-01-04T10:00:00Z", "tiles": {"T": {}}, "tags": {"<b>": "<script>alert(2)</script>"}}
    scene = {"aoi": "Hostile", "source_id": name, "data": data, "tiles": {"T": {"data": {}}}}
    scene_id = call(lab.server, "POST", "aoi/Hostile/scene", scene)["id"]
    failed = {
        "type": "scene",
        "id": scene_id,
        "status": "RETRY",
        "message": "<script>alert(3)</script>\u202e" + "x" * 9000,
    }
    call(lab.server, "POST", "results", [failed])
    with lab.notebook('m["Hostile"].map()') as page:
        card = next_failed(panel(page, "Map"))
        expect(card.locator("h4")).to_have_text(name)
        expect(card.locator("pre")).to_contain_text("<script>alert(3)</script>")
        assert card.locator("img, script").count() == 0


def create_scene(lab: Lab, aoi: str, kind: str, coordinates: object) -> None:
    """Create an AOI of one scene with a footprint."""
    call(lab.server, "POST", f"aoi/{aoi}")
    data = {
        "date": "2022-01-04T10:00:00Z",
        "tiles": {"T": {}},
        "geometry": {"type": kind, "coordinates": coordinates},
    }
    call(
        lab.server,
        "POST",
        f"aoi/{aoi}/scene",
        {"aoi": aoi, "source_id": "s", "data": data, "tiles": {"T": {"data": {}}}},
    )


def test_a_footprint_across_the_antimeridian_is_one_item(lab: Lab) -> None:
    west = [[[178.0, -18.0], [180.0, -18.0], [180.0, -16.0], [178.0, -16.0], [178.0, -18.0]]]
    east = [[[-180.0, -18.0], [-178.0, -18.0], [-178.0, -16.0], [-180.0, -16.0], [-180.0, -18.0]]]
    create_scene(lab, "Fiji", "MultiPolygon", [west, east])
    with lab.notebook('m["Fiji"].map()') as page:
        map_panel = panel(page, "Map of Fiji")
        # The map is fitted to both parts. In a map of the whole world they would be two dots.
        await_painted(page, "> 50000")
        frame = map_panel.locator(".leaflet-container").bounding_box()
        assert frame is not None
        for side in (-40, 40):
            map_panel.get_by_role("button", name="Zoom to AOI").click()
            page.mouse.click(frame["x"] + frame["width"] / 2 + side, frame["y"] + frame["height"] / 2 + 20)
            expect(map_panel.locator(".wm-selection strong")).to_have_text("1 scene selected")
            close = page.locator(".leaflet-popup-close-button")
            expect(close).to_be_visible()
            await_still(map_panel)
            close.click()
            expect(close).to_have_count(0)  # A popup fades before it is removed.


def test_a_footprint_around_a_pole(lab: Lab) -> None:
    ring = [[-135.0, 70.0], [-45.0, 70.0], [45.0, 70.0], [135.0, 70.0], [-135.0, 70.0]]
    create_scene(lab, "Pole", "Polygon", [ring])
    with lab.notebook('m["Pole"].map()') as page:
        panel(page, "Map of Pole")
        await_painted(page, "> 5000")
