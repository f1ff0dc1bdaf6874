"""Opens the service's pages in headless Chromium, on the demo's store: both languages, light and dark, on a phone and on a
wide screen, and walks the main path of each page, with scripts and without.

    checks/pages.py TARGET_DIR

Exits 1 where a page has an error, asks the network for anything beyond the service, scrolls sideways, axe-core finds a
serious fault, the first load is 200 kB or more, an answer is more than two clicks from the overview, or a path does not
lead where it should. Screenshots are left in TARGET_DIR/pages."""

import pathlib
import shutil
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.request

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect, sync_playwright

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or "/usr/bin/chromium"
ARGUMENTS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]
MARKUP = "<script>document.title='taken'</script>&\"'"
LOCALES = {"en": "en-GB", "zh": "zh-CN"}
FIRST_LOAD_BYTES = 200_000


class Site:
    """A running service with the demo's store and keys."""

    def __init__(self, target, folder):
        self.folder = folder
        demo = [target / "debug/rekindle", "demo", "--customers", "1500", "-o", folder / "demo"]
        done = subprocess.run(demo, cwd=folder, capture_output=True, text=True)
        # So few customers are too few to judge, which hurts no page.
        if done.returncode not in (0, 1, 2):
            sys.exit(f"rekindle demo: {done.returncode}\n{done.stderr}")
        self.fill()
        server, keys = target / "debug/rekindle-server", folder / "keys.toml"
        scopes = ["--scope", "read", "--scope", "plan", "--scope", "score", "--scope", "admin"]
        made = [server, "keys", "create", "--keys", keys, "--name", "marketing", *scopes]
        self.key = subprocess.run(made, capture_output=True, text=True, check=True).stdout.strip()
        made = [server, "keys", "create", "--keys", keys, "--name", "reader", "--scope", "read"]
        self.reader = subprocess.run(made, capture_output=True, text=True, check=True).stdout.strip()
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        # The machine may be busy with other tests: late answers are answers.
        self.process = subprocess.Popen(
            [server, "--registry", folder / "demo/registry", "--store", folder / "demo/customers.db", "--keys", keys,
             "--listen", f"127.0.0.1:{port}", "--monitor", "off", "--currency", "EUR", "--max-lag-ms", "60000",
             "--request-timeout-ms", "60000"],
            stderr=open(folder / "server.log", "w"))
        for _ in range(300):
            try:
                urllib.request.urlopen(f"{self.url}/health/ready", timeout=1)
                return
            except OSError:
                time.sleep(0.1)
        sys.exit("the server does not answer")

    def fill(self):
        """A customer whose name is markup, as another program may have put it."""
        store = sqlite3.connect(self.folder / "demo/customers.db", timeout=30)
        last = store.execute("SELECT max(as_of_micros) FROM snapshots").fetchone()[0]
        store.execute(
            "INSERT INTO customer_states (customer_id, valid_from_micros, as_of_micros, lapse_tier, lifecycle_stage, grade,"
            " predicted_value) VALUES (?, ?, ?, 'drowsy', 'repeat', 'A', 99999)", (MARKUP, last, last))
        store.execute("UPDATE revisions SET revision = revision + 1")
        store.commit()
        self.customer = store.execute(
            "SELECT d.customer_id FROM decisions d JOIN campaigns c USING (campaign_id) JOIN customer_scores s USING"
            " (customer_id) WHERE c.state = 'running' AND d.action <> 'none' AND NOT d.control"
            " AND s.reasons IS NOT NULL LIMIT 1").fetchone()[0]
        self.campaigns = dict(store.execute("SELECT state, campaign_id FROM campaigns"))
        store.close()


class Look:
    """Pages that are opened, and what is wrong with them."""

    def __init__(self, browser, site):
        self.browser, self.site, self.faults, self.opened = browser, site, [], 0
        self.cookies = self.sign_in(site.key)

    def sign_in(self, key):
        """The cookies of a session, by the form, without scripts."""
        context = self.browser.new_context(java_script_enabled=False)
        page = context.new_page()
        page.goto(self.site.url + "/")
        page.get_by_label("API key").fill(key)
        page.get_by_role("button", name="Sign in").click()
        for _ in range(100):
            if "being read" not in page.content():
                break
            time.sleep(0.2)
            page.reload()
        cookies = context.cookies()
        context.close()
        return cookies

    def context(self, **options):
        context = self.browser.new_context(**options)
        context.add_cookies(self.cookies)
        return context

    def open(self, name, path, language, scheme, width):
        """Opens a page, leaves a picture of it, and says what is wrong."""
        context = self.context(
            viewport={"width": width, "height": 900}, color_scheme=scheme, locale=LOCALES[language])
        page, heard, asked, size = context.new_page(), [], [], []
        page.on("console", lambda said: heard.append(f"{said.type}: {said.text}"))
        page.on("pageerror", lambda error: heard.append(str(error)))
        page.on("request", lambda request: asked.append(request.url))
        page.on("response", lambda response: size.append(len(response.body())) if response.ok else None)
        shown = f"{name}, {language}, {scheme}, {width}"
        answer = page.goto(self.site.url + path)
        page.wait_for_load_state("networkidle")
        expected = 404 if name == "missing" else 200
        if answer.status != expected:
            self.faults.append(f"{shown}: status {answer.status}")
            heard = []
        page.screenshot(path=self.site.folder / f"{name}-{language}-{scheme}-{width}.png", full_page=True)
        self.faults += [f"{shown}: asks for {url}" for url in asked if not url.startswith(self.site.url)]
        self.faults += [f"{shown}: {said}" for said in heard if expected == 200 or "404" not in said]
        if sum(size) >= FIRST_LOAD_BYTES:
            self.faults.append(f"{shown}: {sum(size)} bytes at the first load")
        wide, screen = page.evaluate("[document.documentElement.scrollWidth, window.innerWidth]")
        if wide > screen:
            self.faults.append(f"{shown}: the page is {wide} pixels wide on a screen of {screen}")
        if page.title() == "taken":
            self.faults.append(f"{shown}: a customer's name was run")
        letters = sum("\u4e00" <= letter <= "\u9fff" for letter in page.locator("body").inner_text())
        if (letters < 30) == (language == "zh"):
            self.faults.append(f"{shown}: {letters} Chinese letters")
        # axe-core itself is put into the page past its policy: what is heard and asked is of before.
        for fault in Axe().run(page).response["violations"]:
            if fault["impact"] in ("serious", "critical"):
                where = fault["nodes"][0]["html"][:200]
                self.faults.append(f"{shown}: axe: {fault['id']} ({len(fault['nodes'])}): {fault['help']}: {where}")
        self.opened += 1
        context.close()

    def walk(self, name, path, scripts=True):
        """Walks a path on pages of its own; what it expects and does not find is a fault."""
        context = self.context(
            viewport={"width": 1280, "height": 900}, java_script_enabled=scripts, accept_downloads=True, locale="en-GB")
        context.set_default_timeout(20_000)
        page = context.new_page()
        heard = []
        page.on("pageerror", lambda error: heard.append(str(error)))
        try:
            path(page)
        except Exception as error:  # a path that leads nowhere says why
            page.screenshot(path=self.site.folder / f"lost-{name.replace(' ', '-')}.png", full_page=True)
            self.faults.append(f"{name}{'' if scripts else ', without scripts'}: {str(error)[:600]}")
        self.faults += [f"{name}: {said}" for said in heard]
        context.close()


def two_clicks(site):
    """Each answer of the overview is two clicks away."""

    def leaving(page):
        page.goto(site.url + "/")
        page.get_by_role("link", name="Who is leaving?").click()
        page.locator("tbody th a").first.click()
        expect(page.locator("h1")).to_contain_text("Customer")

    def wake(page):
        page.goto(site.url + "/")
        page.get_by_role("link", name="Whom do we wake?").click()
        expect(page.locator("h1")).to_contain_text("Plan")

    def with_what(page):
        page.goto(site.url + "/")
        page.get_by_role("link", name="With what?").click()
        page.locator("tbody th a").first.click()
        expect(page.get_by_role("heading", name="What is advised")).to_be_visible()

    def worked(page):
        page.goto(site.url + "/")
        page.get_by_role("link", name="Did it work?").click()
        page.locator("tbody th a").first.click()
        expect(page.get_by_role("heading", name="Settings")).to_be_visible()

    return {"leaving": leaving, "wake": wake, "with what": with_what, "worked": worked}


def paths(site):
    """The main path of each page."""

    def customers(page):
        page.goto(site.url + "/customers")
        page.locator("details.filter summary").click()
        page.locator("input[name=tier][value=dormant]").check()
        page.get_by_role("button", name="Show").click()
        assert "tier=dormant" in page.url, page.url
        first = page.locator("tbody th a").first.inner_text()
        page.get_by_role("link", name="Next").click()
        assert page.locator("tbody th a").first.inner_text() != first
        page.get_by_role("link", name="Previous").click()
        expect(page.locator("tbody th a").first).to_have_text(first)
        with page.expect_download() as downloading:
            page.get_by_role("link", name="Download as CSV").click()
        rows = pathlib.Path(downloading.value.path()).read_text(encoding="utf-8-sig").splitlines()
        assert all(",dormant," in row for row in rows[1:]) and len(rows) > 50, rows[:2]

    def markup(page):
        page.goto(site.url + "/customers?sort=predicted")
        expect(page.locator("tbody th a").first).to_have_text(MARKUP)
        page.locator("tbody th a").first.click()
        expect(page.locator("h1")).to_contain_text(MARKUP)
        assert page.title() != "taken"

    def language_and_colours(page):
        page.goto(site.url + "/campaigns")
        page.get_by_role("link", name="中文").click()
        expect(page.locator("h1")).to_have_text("活动")
        page.get_by_role("link", name="English").click()
        expect(page.locator("h1")).to_have_text("Campaigns")
        page.get_by_title("Dark colours").click()
        expect(page.locator("html")).to_have_attribute("data-theme", "dark")

    def plan(page):
        page.goto(site.url + "/plan")
        expect(page.locator("h1")).to_contain_text("Plan")
        page.locator("[name=campaign_id]").fill(f"walk-{time.time_ns()}")
        page.locator("button[formaction='/plan?start=yes']").click()
        expect(page.locator(".badge").first).to_have_text("Running")
        with page.expect_download() as downloading:
            page.locator("#lists ~ ul a").first.click()
        text = pathlib.Path(downloading.value.path()).read_text(encoding="utf-8-sig")
        assert text.startswith("customer_id,action") and text.count("\n") > 10, text[:200]
        outcomes = site.folder / "outcomes.csv"
        customer = text.splitlines()[1].split(",")[0]
        outcomes.write_text(f"outcome_id,customer_id,occurred_at,amount\no1,{customer},{time.strftime('%Y-%m-%d')},12.5\n")
        form = page.locator("form[action$='/outcomes']")
        form.locator("input[type=file]").set_input_files(outcomes)
        form.locator("button[type=submit]").click()
        expect(page.get_by_role("status")).to_contain_text("1 rows are new")

    def slider(page):
        page.goto(site.url + "/plan")
        figures = page.locator("[data-figures]")
        before = figures.inner_text()
        budget = page.locator("input[type=range]").first
        budget.press("Home")
        page.wait_for_function("before => document.querySelector('[data-figures]').innerText !== before", arg=before)

    def score(page):
        table = site.folder / "scored.csv"
        source = site.folder / "demo/snapshots.parquet"
        import pyarrow.parquet

        rows = pyarrow.parquet.read_table(source).slice(0, 200).to_pandas()
        text = rows.to_csv(index=False).splitlines()
        text.insert(3, "too,few,fields")
        table.write_text("\n".join(text) + "\n")
        page.goto(site.url + "/score")
        page.locator("select[name=model]").select_option("churned")
        page.locator("input[type=file]").set_input_files(table)
        page.locator("form[action^='/score'] button[type=submit]").click()
        link = page.locator("a[href^='/score/files/']").first
        expect(link).to_be_visible(timeout=60_000)
        with page.expect_download() as downloading:
            link.click()
        scored = pathlib.Path(downloading.value.path()).read_text(encoding="utf-8-sig").splitlines()
        assert "probability" in scored[0] and "reason" in scored[0] and len(scored) >= 200, scored[:2]

    def models(page):
        page.goto(site.url + "/models")
        page.get_by_role("link", name="churned").first.click()
        expect(page.locator("h1")).to_contain_text("churned")

    every = {"customers": customers, "markup": markup, "language and colours": language_and_colours, "plan": plan,
             "score": score, "models": models}
    return every, {"slider": slider}


def main():
    target = pathlib.Path(sys.argv[1]).resolve()
    folder = target / "pages"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    site = Site(target, folder)
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
            look = Look(browser, site)
            opened = {
                "overview": "/", "customers": "/customers?tier=drowsy&sort=predicted", "customer": f"/customers/{site.customer}",
                "plan": "/plan", "campaigns": "/campaigns", "campaign": f"/campaigns/{site.campaigns['finished']}",
                "draft": f"/campaigns/{site.campaigns['draft']}", "score": "/score", "models": "/models",
                "model": "/models/churned", "missing": "/customers/nobody",
            }
            for name, path in opened.items():
                for language in LOCALES:
                    for scheme, width in (("light", 1440), ("dark", 360), ("light", 360), ("dark", 1440)):
                        # Of both languages what differs is how long words are; of colours, each page in each once.
                        if language == "zh" and (scheme, width) in (("light", 360), ("dark", 1440)):
                            continue
                        look.open(name, path, language, scheme, width)
            every, scripted = paths(site)
            for name, path in {**two_clicks(site), **every}.items():
                look.walk(name, path)
                look.walk(name, path, scripts=False)
            for name, path in scripted.items():
                look.walk(name, path)
            context = browser.new_context(locale="en-GB")
            context.add_cookies(look.sign_in(site.reader))
            page = context.new_page()
            page.goto(site.url + "/campaigns/" + site.campaigns["running"])
            if page.locator("form[method=post]:not([action='/sign-out'])").count():
                look.faults.append("who may only read is offered a change")
            browser.close()
    finally:
        site.process.terminate()
        site.process.wait(timeout=60)
    for fault in look.faults:
        print(fault)
    print(f"{look.opened} pages opened, {len(look.faults)} faults")
    sys.exit(1 if look.faults else 0)


if __name__ == "__main__":
    main()
