"""The page of a node's HTTP port in a real browser: page_test.py TROUPE SCREENSHOTS

Wants Debian's chromium, chromium-driver and python3-selenium; `./dev page` runs it."""
import base64
import os
import sys
import tempfile
import unittest
from pathlib import Path

from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

sys.path.insert(0, str(Path(__file__).parent.parent / "cli"))
from harness import Load, Node, programs, wait_until  # noqa: E402

TROUPE, SCREENSHOTS = programs()
SIZES = {"wide": (1280, 900), "narrow": (360, 740)}
VIEWS = ("overview", "topics", "topics/orders", "groups", "groups/billing", "clients",
         "messages?topic=orders&queue=0&offset=0")


def browser():
    options = webdriver.ChromeOptions()
    options.add_argument("--headless=new")
    options.add_argument("--disable-dev-shm-usage")
    if os.geteuid() == 0:
        options.add_argument("--no-sandbox")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    options.binary_location = "/usr/bin/chromium"
    return webdriver.Chrome(service=Service("/usr/bin/chromedriver"), options=options)


class Page(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.home = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.home.cleanup)
        cls.node = Node(TROUPE, cls.home.name)
        cls.node.start()
        cls.addClassCleanup(cls.node.clean_up)
        assert cls.node.run("topic", "create", "orders", "--queues", "2").code == 0
        orders = b"".join(b'{"order":%d,"item":"tea"}\n' % i for i in range(100))
        assert cls.node.run("produce", "orders", "--key", "first", stdin=orders).code == 0
        done = cls.node.run("group", "reset", "billing", "--topic", "orders", "--to", "3", "--yes")
        assert done.code == 0, done.err
        cls.driver = browser()
        cls.addClassCleanup(cls.driver.quit)

    def setUp(self):
        self.driver.get_log("browser")
        self.may_fail = ()  # paths of requests that are refused in this test

    def tearDown(self):
        said = [line for line in self.driver.get_log("browser") if line["level"] != "INFO"
                and not (line["source"] == "network" and any(p in line["message"] for p in self.may_fail))]
        self.assertEqual(said, [])

    def open(self, view="overview"):
        self.driver.get("about:blank")
        self.driver.get(f"http://127.0.0.1:{self.node.admin_port}/#{view}")
        wait_until("an answer", lambda: not self.text("verdict").startswith("Asking"))

    def find(self, name):
        return self.driver.find_element(By.ID, name)

    def text(self, name):
        return self.find(name).text

    def test_says_that_all_is_well(self):
        self.open()
        self.assertEqual(self.text("verdict"), "All is well: it takes messages")
        self.assertIn("well", self.find("health").get_attribute("class"))
        self.assertIn("local", self.text("title"))
        self.assertIn("writer", self.text("roles"))

    def test_charts_move_under_load(self):
        self.open()
        load = Load(self.node, "orders")
        self.addCleanup(load.clean_up)

        def rate():
            label = self.driver.find_element(By.CSS_SELECTOR, "#charts svg").get_attribute("aria-label")
            return label.startswith("Messages in: now ") and "now 0 /s" not in label
        wait_until("a rate", rate)
        wait_until("a curve", lambda: len(self.driver.find_elements(By.CSS_SELECTOR, "#charts .curve")) > 3)

    def test_topic_and_group(self):
        self.open("topics")
        wait_until("the topic", lambda: "orders" in self.text("topics-table"))
        self.driver.find_element(By.LINK_TEXT, "orders").click()
        wait_until("its queues", lambda: "Next offset" in self.text("topics-table"))
        self.assertEqual(self.text("topics-title"), "Topic orders")
        self.open("groups/billing")
        wait_until("its lag", lambda: "messages behind" in self.text("groups-note"))
        self.assertIn("orders", self.text("groups-table"))

    def fill_in(self, **fields):
        for name, value in fields.items():
            field = self.driver.find_element(By.CSS_SELECTOR, f"#search [name={name}]")
            if field.tag_name != "select":
                field.clear()
            field.send_keys(value)

    def test_finds_a_message_with_the_keyboard(self):
        self.open("messages")
        self.fill_in(by="key", topic="orders", key="first" + Keys.ENTER)
        wait_until("messages", lambda: self.driver.find_elements(By.CSS_SELECTOR, "#found li"))
        wait_until("a body", lambda: '{"order":' in self.text("found"))
        self.assertEqual(len(self.driver.find_elements(By.CSS_SELECTOR, "#found li")), 32)
        for way, sign in (("json", '"item": "tea"'), ("hex", "7b 22 6f 72 64 65 72")):
            self.driver.find_element(By.CSS_SELECTOR, f"input[name=body][value={way}]").send_keys(" ")
            wait_until(way, lambda sign=sign: sign in self.text("found"))

    def test_turns_pages(self):
        self.open("messages?topic=orders&queue=0&offset=0")
        wait_until("the first", lambda: "offset 0" in self.text("found"))
        self.assertFalse(self.find("earlier").is_enabled())
        self.find("later").click()
        wait_until("the next", lambda: "Offsets 32 to" in self.text("messages-note"))
        self.find("earlier").click()
        wait_until("the first again", lambda: "Offsets 0 to" in self.text("messages-note"))

    def test_shows_why_a_question_is_refused(self):
        self.may_fail = ("/v1/messages",)
        self.open("messages?topic=orders&queue=0&offset=-1")
        wait_until("a refusal", lambda: "refused" in self.find("messages-note").get_attribute("class"))
        self.assertIn("offset is a whole number", self.text("messages-note"))
        self.open("messages?topic=none&key=k")
        wait_until("a reason", lambda: "there is no topic none" in self.text("messages-note"))

    def judged(self, **changes):
        """What the page would say of a node that is well but for the changes."""
        return self.driver.execute_async_script("""
            const [changes, done] = arguments;
            import("/overview.js").then(async ({ judge }) => {
              const status = await (await fetch("/v1/status")).json();
              const said = judge({ ...status, ...changes }, [75, 85, 90]);
              done([said.bad.join(" "), said.warn.join(" ")]);
            });""", changes)

    def test_says_what_to_do(self):
        self.open()
        self.assertEqual(self.judged(diskUsedPercent=10), ["", ""])
        self.assertIn("at any hour", self.judged(diskUsedPercent=75)[1])
        self.assertIn("though not expired", self.judged(diskUsedPercent=86)[1])
        self.assertIn("writes are refused", self.judged(diskUsedPercent=90)[1])
        self.assertIn("producers have to wait", self.judged(diskUsedPercent=10, backlog=399_000)[1])
        self.assertIn("store verify", self.judged(diskUsedPercent=10, damagedMessages=2)[1])
        self.assertIn("Free space", self.judged(writable=False, reason="the disk is full")[0])
        self.assertIn("waits for log", self.judged(waitsFor="log")[0])
        role = {"role": "flusher", "state": "stopped", "sinceMs": 5, "restarts": 0, "node": "b"}
        self.assertIn("The flusher (node b) is stopped", self.judged(roles=[role])[0])

    def test_a_recovery_is_a_bar(self):
        self.open()
        self.driver.execute_script("""
            window.fetch = async () => new Response(
              "[-] node: recovering 63 %, about 8 s\\nnot ready\\n", { status: 503 });""")
        wait_until("the bar", lambda: self.find("recovery").is_displayed())
        self.assertEqual(self.find("recovered").get_attribute("value"), "63")
        self.assertIn("recovering 63 %, about 8 s", self.text("verdict"))
        self.assertIn("goes on by itself", self.text("advice"))

    def test_every_view_fits_light_and_dark_wide_and_narrow(self):
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        for scheme in ("light", "dark"):
            self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {
                "features": [{"name": "prefers-color-scheme", "value": scheme}]})
            for size, (width, height) in SIZES.items():
                self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {
                    "width": width, "height": height, "deviceScaleFactor": 1, "mobile": size == "narrow"})
                for view in VIEWS:
                    self.picture(view, f"{view.partition('?')[0].replace('/', '-')}-{scheme}-{size}", width)
        self.driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})

    def picture(self, view, name, width):
        self.open(view)
        section = self.find("view-" + view.partition("?")[0].partition("/")[0])
        wait_until(view, lambda: section.is_displayed() and (
            section.find_elements(By.CSS_SELECTOR, "tbody tr, .found li, .curve") or "no " in section.text))
        self.assertLessEqual(self.driver.execute_script("return document.documentElement.scrollWidth"),
                             width, name)
        whole = self.driver.execute_cdp_cmd("Page.captureScreenshot", {"captureBeyondViewport": True})
        (SCREENSHOTS / f"{name}.png").write_bytes(base64.b64decode(whole["data"]))


class Gone(unittest.TestCase):
    def test_a_node_that_ends_is_missed(self):
        with tempfile.TemporaryDirectory() as home:
            node = Node(TROUPE, home)
            node.start()
            self.addCleanup(node.clean_up)
            driver = browser()
            self.addCleanup(driver.quit)
            driver.get(f"http://127.0.0.1:{node.admin_port}/")
            verdict = driver.find_element(By.ID, "verdict")
            wait_until("it is well", lambda: verdict.text.startswith("All is well"))
            self.assertEqual(node.stop(), 0)
            wait_until("it is missed", lambda: verdict.text == "The node does not answer")
            self.assertIn("start it again", driver.find_element(By.ID, "advice").text)


if __name__ == "__main__":
    unittest.main()
