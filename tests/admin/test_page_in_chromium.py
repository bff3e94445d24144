"""The live page in a real browser: what it says, what it fetches, and that it goes on.

Waits look at what the page says, again and again; the test's own limit ends a vain one.
"""

import json
import re
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any

import gevent
import pytest

from tests.parts import needed

pytestmark = pytest.mark.limit(120)

WORKERS = 4
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
PHONE = {"width": 390, "height": 844, "deviceScaleFactor": 1, "mobile": True}


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    chromium, driver = needed("chromium"), needed("chromedriver")
    webdriver = pytest.importorskip("selenium.webdriver", reason="pip install selenium")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    service = webdriver.ChromeService(executable_path=driver)
    with webdriver.Chrome(options=options, service=service) as running:
        yield running


class Site:
    """The site of `tests.admin.site`, and blocking clients of it."""

    def __init__(self) -> None:
        self.clients: list[socket.socket] = []
        self.start()

    def start(self, admin_port: int = 0) -> None:
        command = [sys.executable, "-m", "tests.admin.site", str(WORKERS), str(admin_port)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self.process.stdout is not None
        self.port, self.admin_port = map(int, self.process.stdout.readline().split())
        self.admin = f"http://127.0.0.1:{self.admin_port}/"

    def tell(self, command: bytes) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(command)
        self.process.stdin.flush()

    def end(self) -> None:
        self.process.communicate()

    def send(self, path: str, *fields: str) -> socket.socket:
        client = socket.create_connection(("127.0.0.1", self.port))
        self.clients.append(client)
        client.sendall("\r\n".join([f"GET {path} HTTP/1.1", "Host: x", *fields, "", ""]).encode())
        return client

    def ask(self, path: str) -> int:
        return int(self.send(path).recv(65_536).split()[1])

    def stats(self) -> Any:
        with urllib.request.urlopen(self.admin + "stats") as answer:
            return json.load(answer)


@pytest.fixture
def site() -> Iterator[Site]:
    running = Site()
    yield running
    for client in running.clients:
        client.close()
    running.end()


class Page:
    """What the page says."""

    def __init__(self, browser: Any, site: Site) -> None:
        self.browser = browser
        browser.get_log("browser"), browser.get_log("performance")
        browser.get(site.admin)

    def text(self, selector: str) -> str:
        script = "const found = document.querySelector(arguments[0]); return found.textContent;"
        found: str = self.browser.execute_script(script, selector)
        return found

    def now(self, name: str) -> str:
        return self.text(f'[data-now="{name}"]')

    def total(self, name: str) -> str:
        return self.text(f'[data-total="{name}"]')

    def until(self, predicate: Callable[[], Any]) -> None:
        while not predicate():
            gevent.sleep(0.05)

    def complaints(self) -> list[Any]:
        lines: list[Any] = self.browser.get_log("browser")
        return lines

    def fetched(self) -> set[str]:
        messages = [
            json.loads(one["message"])["message"] for one in self.browser.get_log("performance")
        ]
        return {
            one["params"]["request"]["url"]
            for one in messages
            if one["method"] == "Network.requestWillBeSent"
        }

    def overflows(self) -> bool:
        script = "return document.documentElement.scrollWidth > window.innerWidth"
        return bool(self.browser.execute_script(script))


@pytest.fixture
def page(browser, site) -> Page:
    return Page(browser, site)


def wait(site: Site, predicate: Callable[[Any], Any]) -> None:
    """Until `predicate` holds for the figures."""
    while not predicate(site.stats()):
        gevent.sleep(0.01)


def busy(site: Site) -> None:
    """Traffic of all kinds; what is open stays so."""
    assert [site.ask(path) for path in ["/"] * 5 + ["/missing"] * 2] == [200] * 5 + [404] * 2
    site.send("/hijack", "Upgrade: websocket", "Connection: Upgrade")
    wait(site, lambda stats: stats["connections"]["hijacked"] and not stats["busy"])
    for _ in range(WORKERS):
        site.send("/hold")
    wait(site, lambda stats: stats["busy"] == WORKERS)
    assert [site.ask("/") for _ in range(3)] == [503] * 3


def test_the_page_says_what_the_figures_are(site, page, tmp_path):
    busy(site)
    page.until(lambda: page.total("refused.full") == "3")
    page.until(lambda: page.now("connections.hijacked") == "1")
    page.until(lambda: page.now("workers.busy") == str(WORKERS))
    stats = site.stats()
    said = {name: page.total(f"requests.{name}") for name in stats["requests"]}
    assert said == {name: str(count) for name, count in stats["requests"].items()}
    assert stats["requests"] == {"1xx": 1, "2xx": 5, "3xx": 0, "4xx": 2, "5xx": 3, "none": 0}
    assert page.now("workers.ready") == str(stats["ready"])
    assert page.now("workers.max_workers") == str(WORKERS)
    page.until(lambda: page.now("connections.idle") == str(site.stats()["connections"]["idle"]))
    assert page.now("connections.active") == str(WORKERS)
    assert (page.text("#title"), page.text("#state")) == ("shop.wsgi:<app>", "\u25cf SERVING")
    assert (page.text("#version"), page.text("#pids")) == (
        stats["version"],
        str(site.process.pid),
    )
    assert page.text("#blocked .note") == "While it is blocked, nothing in the process answers."
    assert page.browser.get_screenshot_as_file(str(tmp_path / "page.png"))
    assert (tmp_path / "page.png").stat().st_size > 10_000


def test_nothing_is_fetched_from_elsewhere_and_nothing_complains(site, page):
    page.until(lambda: page.now("workers.busy") == "0")
    page.until(lambda: len(page.browser.execute_script("return samples")) > 1)
    # The one with data: is the icon, which is empty.
    fetched = {re.sub(r"since=\d+", "since=", url) for url in page.fetched()}
    assert fetched <= {site.admin, site.admin + "history?since=", "data:,"}
    assert page.complaints() == []


def test_the_policy_stops_what_the_page_does_not_have(page):
    page.browser.execute_script(
        "const more = document.createElement('script'); more.textContent = 'window.more = 1';"
        "document.body.append(more)"
    )
    assert page.browser.execute_script("return window.more") is None
    assert any("Content Security Policy" in one["message"] for one in page.complaints())


def test_it_says_that_there_is_no_answer_and_goes_on_after_a_restart(site, page):
    page.until(lambda: page.text("#state") == "\u25cf SERVING")
    page.until(lambda: page.browser.execute_script("return samples.length"))
    pid = page.text("#pids")
    port = site.admin_port
    site.end()
    page.until(lambda: page.text("#state") == "\u2715 NO ANSWER")
    assert page.text("#notice").startswith("The server does not answer (")
    page.until(lambda: page.text("#requests .legend thead th:nth-child(2)") == "last")
    site.start(port)
    page.until(lambda: page.text("#state") == "\u25cf SERVING")
    assert page.text("#pids") == str(site.process.pid) != pid
    assert not page.text("#notice")
    site.ask("/")
    page.until(lambda: page.total("requests.2xx") == "1")


def test_it_says_that_the_server_drains(site, page):
    site.send("/hold")
    page.until(lambda: page.now("workers.busy") == "1")
    site.tell(b"drain\n")
    page.until(lambda: page.text("#state") == "\u25d0 DRAINING")
    assert page.text("#notice") == "Not ready: draining"
    for client in site.clients:
        client.close()
    site.process.terminate()


def test_the_arrow_keys_and_the_pointer_show_a_moment(site, page):
    from selenium.webdriver import ActionChains, Keys

    page.until(lambda: len(page.browser.execute_script("return samples")) > 2)
    chart = page.browser.find_element("css selector", "#requests .chart")
    assert page.text("#requests .legend thead th:nth-child(2)") == "now"
    chart.send_keys(Keys.ARROW_LEFT)
    page.until(lambda: page.text("#requests .legend thead th:nth-child(2)").endswith("s ago"))
    assert page.text("#latency .legend thead th:nth-child(2)").endswith("s ago")
    chart.send_keys(Keys.ESCAPE)
    assert page.text("#requests .legend thead th:nth-child(2)") == "now"
    ActionChains(page.browser).move_to_element(chart).perform()
    assert page.text("#requests .legend thead th:nth-child(2)").endswith("s ago")


def test_a_chart_says_in_words_what_it_draws(site, page):
    site.ask("/")
    page.until(lambda: page.total("requests.2xx") == "1")
    chart = page.browser.find_element("css selector", "#connections .chart")
    label = chart.get_attribute("aria-label")
    assert label.startswith("Connections, by state, over the last five minutes. now: active: ")
    assert chart.get_attribute("role") == "img"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_a_phone_in_both_schemes(page, tmp_path, scheme):
    page.browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", PHONE)
    media = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    page.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
    try:
        page.until(lambda: page.now("workers.busy") == "0")
        assert not page.overflows()
        colour = page.browser.execute_script(
            "return getComputedStyle(document.body).backgroundColor"
        )
        assert colour == {"light": "rgb(244, 245, 247)", "dark": "rgb(17, 21, 28)"}[scheme]
        page.browser.get_screenshot_as_file(str(tmp_path / f"phone-{scheme}.png"))
    finally:
        page.browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
        page.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


def test_without_javascript_there_is_a_table(site, page):
    page.browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        page.browser.get(site.admin)
        rows = page.browser.find_elements("css selector", "noscript tr")
        assert "Most workers 4" in [row.text for row in rows]
    finally:
        page.browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})
