"""Opens report.html in headless Chromium: light and dark, on a phone and on a wide screen.

    checks/reports.py TARGET_DIR

Exits 1 where a plot is not drawn, the console has an error, the network is asked for anything, the slider changes
nothing, axe-core finds a serious fault, or a phone must scroll the page sideways. Screenshots are left in
TARGET_DIR/reports."""

import pathlib
import shutil
import subprocess
import sys
import tomllib

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import sync_playwright

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or "/usr/bin/chromium"
ARGUMENTS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]
# All of a report on snapshots, with a campaign and segments.
PLOTS = {
    "rates", "profit", "roc", "precision-recall", "gains", "lift", "calibration", "scores", "influence-feature",
    "influence-behaviour", "influence-events", "influence-group", "selection-auc", "selection-rates",
    "selection-kept", "states-lapse_tier", "states-lifecycle_stage", "segments-error", "segments-miss", "segments-auc",
}
# What is told of a model that was not judged.
UNJUDGED = {"missing"}
PROJECT = """
[[source]]
path = "events.parquet"
customer = "customer_id"
time = "time"
kind = "kind"
amount = "amount"
product = "product"
[log]
timezone = "UTC"
end = "2025-08-23"
[panel]
first = "2024-10-27"
last = "2025-06-24"
every = "60d"
[features]
windows = ["30d", "90d"]
families = ["counts", "amounts", "recency", "gaps"]
[targets.churned]
horizon = "60d"
"""


def reports(rekindle, folder):
    """Reports of each sort, by name."""
    def run(*arguments, codes=(0,)):
        done = subprocess.run([rekindle, *arguments], cwd=folder, capture_output=True, text=True)
        if done.returncode not in codes:
            sys.exit(f"rekindle {' '.join(arguments)}: {done.returncode}\n{done.stderr}")

    (folder / "rekindle.toml").write_text(PROJECT)
    run("simulate", "--customers", "1500", "--days", "600", "-o", "events.parquet", "-q")
    run("features", "-q")
    learn = ["snapshots.parquet", "--target", "churned"]
    run("select", *learn, "--batch", "12", "--param", "num_iterations=20", "-q")
    run("fit", *learn, "--features", "features.lock", "--model", "boosting", "--param", "num_iterations=40",
        "--profit", "clv=60", "--group", "all=*(*", "-o", "registry", "-q", codes=(0, 1, 2))
    run("fit", *learn, "--model", "logistic", "--test-share", "0", "--no-influence", "-o", "unjudged", "-q")
    run("fit", *learn, "--model", "logistic", "--no-influence", "-o", "other", "-q", codes=(0, 1, 2))
    lock = tomllib.loads((folder / "features.lock").read_text())
    feature = lock["targets"]["churned=1"]["features"][0]
    by = ["--cutoff", "2025-06-24", "--by", feature, "-q"]
    run("evaluate", "registry/churned", "rekindle.toml", *by, "-o", "judged", codes=(0, 1, 2))
    run("evaluate", "registry/churned", "other/churned", "rekindle.toml", *by, "--max-error-rate", "0.01",
        "-o", "several", codes=(1,))
    return {
        "judged": folder / "judged/report.html",
        "several": folder / "several/report.html",
        "unjudged": folder / "unjudged/churned/1/report.html",
    }


def look(page, name, plots):
    """What is wrong with an open page."""
    faults = []
    drawn = page.evaluate("""() => [...document.querySelectorAll('figure')].map((figure) => [figure.id,
        [...figure.querySelectorAll('svg > :is(polyline, polygon, rect, circle, line):not(.tells, .moved)')]
            .filter((shape) => { const box = shape.getBoundingClientRect(); return box.width + box.height > 1; }).length,
        figure.querySelector('svg').getAttribute('aria-label') || ''])""")
    faults += [f"plot {plot} has no shapes" for plot, shapes, _ in drawn if shapes < 3]
    faults += [f"plot {plot} says nothing" for plot, _, says in drawn if not says]
    missing = plots - {plot for plot, _, _ in drawn}
    faults += [f"plot {plot} is missing" for plot in sorted(missing)]
    wide, screen = page.evaluate("[document.documentElement.scrollWidth, window.innerWidth]")
    if wide > screen:
        faults.append(f"the page is {wide} pixels wide on a screen of {screen}")
    faults += slide(page) + hover(page)
    found = Axe().run(page).response["violations"]
    for fault in found:
        if fault["impact"] in ("serious", "critical"):
            where = fault["nodes"][0]["html"][:200]
            faults.append(f"axe: {fault['id']} ({len(fault['nodes'])}): {fault['help']}: {where}")
    return [f"{name}: {fault}" for fault in faults]


def slide(page):
    """Whether each slider changes the figures, by keyboard and by dragging, and its button takes them back."""
    faults = []
    for number in range(page.locator("input[type=range]").count()):
        slider = page.locator("input[type=range]").nth(number)
        box = page.locator(".threshold").nth(number)
        figures = lambda: box.locator("td [data-tells]").all_inner_texts()
        chosen = figures()
        for key in ("ArrowRight", "Home", "End"):
            before = figures()
            slider.press(key)
            if figures() == before:
                faults.append(f"the slider changes nothing on {key}")
        box.get_by_role("button").click()
        if figures()[1:] != chosen[1:]:
            faults.append(f"the button does not take the figures back: {figures()}, {chosen}")
        picture = box.locator("figure svg").first
        picture.scroll_into_view_if_needed()
        area = picture.bounding_box()
        page.mouse.click(area["x"] + area["width"] * 0.8, area["y"] + area["height"] * 0.4)
        if figures() == chosen:
            faults.append("a click in the plot changes nothing")
        box.get_by_role("button").click()
    return faults


def hover(page):
    """Whether every plot tells numbers under the pointer."""
    faults = []
    for figure in page.locator("figure").all():
        strip = figure.locator(".tells").last
        strip.dispatch_event("pointerover")
        if not any(letter.isdigit() for letter in figure.locator(".told").inner_text()):
            faults.append(f"plot {figure.get_attribute('id')} tells no numbers on hover")
    return faults


def main():
    target = pathlib.Path(sys.argv[1]).resolve()
    folder = target / "reports"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    pages = reports(target / "debug/rekindle", folder)
    faults, opened = [], 0
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        for name, path in pages.items():
            size = path.stat().st_size
            if size > 2_000_000 * (2 if name == "several" else 1):
                faults.append(f"{name}: {size} bytes")
            for scheme in ("light", "dark"):
                for width in (360, 1440):
                    context = browser.new_context(
                        viewport={"width": width, "height": 900}, color_scheme=scheme)
                    page = context.new_page()
                    shown = f"{name}, {scheme}, {width}"
                    heard = []
                    page.on("console", lambda said: heard.append(f"{said.type}: {said.text}"))
                    page.on("pageerror", lambda error: heard.append(str(error)))
                    asked = []
                    page.on("request", lambda request: asked.append(request.url))
                    page.goto(path.as_uri())
                    page.screenshot(path=folder / f"{name}-{scheme}-{width}.png", full_page=True)
                    # axe-core itself is put into the page past its policy: what is heard and asked is of before.
                    beyond = [url for url in asked if url != path.as_uri()]
                    faults += [f"{shown}: asks for {url}" for url in beyond]
                    faults += look(page, shown, {"judged": PLOTS, "unjudged": UNJUDGED}.get(name, set()))
                    faults += [f"{shown}: {said}" for said in heard]
                    opened += 1
                    context.close()
        context = browser.new_context(java_script_enabled=False, viewport={"width": 360, "height": 900})
        page = context.new_page()
        page.goto(pages["judged"].as_uri())
        if page.locator("figure svg:visible").count() < len(PLOTS):
            faults.append("judged: without the script, plots are missing")
        if page.locator(".scripted:visible").count() > 0:
            faults.append("judged: without the script, a slider is shown that does nothing")
        browser.close()
    for fault in faults:
        print(fault)
    print(f"{opened} reports opened, {len(faults)} faults")
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
