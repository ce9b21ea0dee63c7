"""Preferences of the operating system: reduced motion and forced colors."""

from __future__ import annotations

import re
from typing import Literal

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.lab import Lab, panel
from workflow_monitor.client.display import STATUS_COLORS

pytestmark = pytest.mark.usefixtures("one_scene_in_retry")

RECORD_ANIMATIONS = """pane => {
  globalThis.animations = new Set();
  new MutationObserver(() => {
    for (const name of pane.classList) if (name.endsWith("-anim")) animations.add(name);
  }).observe(pane, { attributes: true, attributeFilter: ["class"] });
}"""
MAP_POSITION = """() => {
  const { width, height, style } = document.querySelectorAll(".leaflet-overlay-pane canvas")[1];
  return [width, height, style.transform, document.querySelector(".leaflet-map-pane").style.transform].join();
}"""
#: Return a color, which may depend on a class, as red, green and blue.
RESOLVE = """(panel, [color, className]) => {
  const probe = document.createElement("span");
  probe.className = className;
  probe.style.cssText = `position: absolute; forced-color-adjust: none; background-color: ${color}`;
  panel.append(probe);
  const context = new OffscreenCanvas(1, 1).getContext("2d");
  context.fillStyle = getComputedStyle(probe).backgroundColor;
  probe.remove();
  context.fillRect(0, 0, 1, 1);
  return [...context.getImageData(0, 0, 1, 1).data].slice(0, 3).join();
}"""
CANVAS_COLORS = """canvas => {
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  const colors = new Set();
  for (let i = 0; i < data.length; i += 4) if (data[i + 3] === 255) colors.add(data.slice(i, i + 3).join());
  return [...colors];
}"""


def rgb(hex_color: str) -> str:
    return ",".join(str(value) for value in bytes.fromhex(hex_color.removeprefix("#")))


@pytest.mark.parametrize("preference", ["no-preference", "reduce"])
def test_the_map_moves_without_animation_on_request(lab: Lab, preference: Literal["no-preference", "reduce"]) -> None:
    with lab.notebook("aoi.map()") as page:
        page.emulate_media(reduced_motion=preference)
        map_panel = panel(page, "Map")
        expect(map_panel.locator(".wm-legend")).to_contain_text(re.compile(r"DONE\s*2"))
        map_panel.locator(".leaflet-map-pane").evaluate(RECORD_ANIMATIONS)
        map_panel.get_by_role("button", name="Next failed").click()
        popup = map_panel.locator(".leaflet-popup")
        expect(popup).to_be_visible()
        fades = popup.evaluate("popup => getComputedStyle(popup).transitionDuration !== '0s'")
        map_panel.locator(".leaflet-container").focus()
        for key in ("ArrowRight", "+"):
            position = page.evaluate(MAP_POSITION)
            page.keyboard.press(key)
            page.wait_for_function(f"position => ({MAP_POSITION})() !== position", arg=position)
        animations = set(page.evaluate("[...animations]"))
        if preference == "reduce":
            assert (animations, fades) == (set(), False)
        else:
            assert animations >= {"leaflet-pan-anim", "leaflet-zoom-anim"}
            assert fades


def resolve(locator: Locator, color: str, class_name: str = "") -> str:
    return str(locator.evaluate(RESOLVE, [color, class_name]))


def forced_colors(page: Page, panel_locator: Locator) -> dict[str, str]:
    """Switch to forced colors, and return the colors of the statuses."""
    page.emulate_media(forced_colors="active")
    return {status: resolve(panel_locator, "var(--wm-color)", f"wm-{status.lower()}") for status in STATUS_COLORS}


def test_statuses_and_focus_are_distinct_in_forced_colors(lab: Lab) -> None:
    with lab.notebook("aoi.panels.summary()") as page:
        summary = panel(page, "Summary")
        retry = summary.get_by_role("button", name="Retry 1 item…")
        expect(retry).to_be_visible()
        colors = forced_colors(page, summary)
        assert len({*colors.values()}) == len(STATUS_COLORS), colors
        assert not {*colors.values()} & {rgb(color) for color in STATUS_COLORS.values()}
        segments = summary.locator(".wm-segment.wm-retry")
        assert "linear-gradient" in segments.evaluate("segment => getComputedStyle(segment).backgroundImage")
        expect(summary.locator("thead .wm-status")).to_have_text(
            [re.compile(rf"^\S {status}$") for status in ("DONE", "FAILED", "RETRY", "PENDING", "NEW")]
        )
        # A key makes the focus visible.
        retry.focus()
        page.keyboard.press("Shift")
        width, color = retry.evaluate(
            "button => [getComputedStyle(button).outlineWidth, getComputedStyle(button).outlineColor]"
        )
        assert width == "3px"
        assert resolve(summary, color) == resolve(summary, "Highlight")


def test_the_lanes_are_drawn_in_forced_colors(lab: Lab) -> None:
    with lab.notebook("aoi.graph()") as page:
        graph = panel(page, "Dependency graph")
        expect(graph.locator(".wm-legend")).to_contain_text(re.compile(r"PENDING\s*\d+"))
        colors = forced_colors(page, graph)
        canvas = graph.locator("canvas")
        page.wait_for_function(
            f"([canvas, color]) => ({CANVAS_COLORS})(canvas).includes(color)",
            arg=[canvas.element_handle(), colors["PENDING"]],
        )
        drawn = set(canvas.evaluate(CANVAS_COLORS))
        assert colors["NEW"] in drawn
        assert not drawn & {rgb(color) for color in STATUS_COLORS.values()}
        toggle = graph.get_by_role("button", name="Hide completed")
        toggle.click()
        background = toggle.evaluate("button => getComputedStyle(button).backgroundColor")
        assert resolve(graph, background) == resolve(graph, "Highlight")


def test_footprints_are_drawn_in_forced_colors(lab: Lab) -> None:
    with lab.notebook("aoi.map()") as page:
        map_panel = panel(page, "Map")
        expect(map_panel.locator(".wm-legend")).to_contain_text(re.compile(r"PENDING\s*1"))
        colors = forced_colors(page, map_panel)
        # Outlines are translucent: search for a pixel that is nearly of the color of PENDING.
        page.wait_for_function(
            """([canvas, expected]) => {
              const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
              for (let i = 0; i < data.length; i += 4) {
                if (data[i + 3] > 100 && expected.every((value, j) => Math.abs(value - data[i + j]) < 16)) return true;
              }
              return false;
            }""",
            arg=[
                map_panel.locator(".leaflet-overlay-pane canvas").nth(1).element_handle(),
                [int(value) for value in colors["PENDING"].split(",")],
            ],
        )
