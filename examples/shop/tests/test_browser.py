"""The shop as people use it: a server, headless Chromium, a wide window and a phone.

SHOP_SCREENSHOTS names a folder for pictures of the pages."""

import os
import shutil
import socket
import threading
import time

import pytest
import uvicorn
from playwright.sync_api import expect, sync_playwright
from shop.app import create_app


from conftest import psql, settings_for

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip

pytestmark = pytest.mark.skipif(
    CHROMIUM is None and not os.environ.get("CI"), reason="there is no Chromium: scripts/setup.sh browser installs it"
)


@pytest.fixture(scope="module")
def shop(database_url):
    """The shop's address: it runs in a thread, on a free port."""
    listener = socket.create_server(("127.0.0.1", 0))
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    settings = settings_for(database_url, url)
    server = uvicorn.Server(uvicorn.Config(create_app(settings), log_level="warning"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    while not server.started:
        assert thread.is_alive()
        time.sleep(0.02)
    yield url
    server.should_exit = True
    thread.join(20)


@pytest.fixture(scope="module")
def chromium(tmp_path_factory):
    assert CHROMIUM, "CI runs scripts/setup.sh, which installs Chromium"
    home = tmp_path_factory.mktemp("chromium")
    with sync_playwright() as playwright:
        environment = os.environ | {"HOME": str(home), "XDG_CONFIG_HOME": str(home), "XDG_CACHE_HOME": str(home)}
        browser = playwright.chromium.launch(executable_path=CHROMIUM, headless=True, args=ARGUMENTS, env=environment)
        yield browser
        browser.close()


SIZES = {"desktop": {"width": 1120, "height": 760}, "phone": {"width": 390, "height": 844}}


@pytest.fixture(params=SIZES)
def page(request, chromium, shop):
    context = chromium.new_context(
        base_url=shop, viewport=SIZES[request.param], has_touch=request.param == "phone", locale="en-US", timezone_id="UTC"
    )
    context.set_default_timeout(10_000)
    page = context.new_page()
    page.failures = []
    page.on("response", lambda response: page.failures.append(response.url) if response.status >= 500 else None)
    page.on("console", lambda message: page.failures.append(message.text) if message.type == "error" else None)
    page.size = request.param
    yield page
    context.close()
    assert page.failures == []


def picture(page, name):
    # Whatever is on the page fits on the screen: nobody scrolls sideways.
    assert page.evaluate("document.documentElement.scrollWidth") <= SIZES[page.size]["width"], name
    if folder := os.environ.get("SHOP_SCREENSHOTS"):
        page.screenshot(path=f"{folder}/{page.size}-{name}.png", full_page=True)


def sign_in(page, name):
    page.goto("/sign-in")
    page.get_by_label("Name").fill(name)
    picture(page, "sign-in")
    page.get_by_role("main").get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="Catalog")).to_be_visible()


def test_from_the_catalog_to_ones_features(page):
    user = f"ada-{page.size}"
    sign_in(page, user)
    picture(page, "catalog")
    for name in ("Brigade", "Bolt", "Vector Search"):
        page.get_by_role("link", name="Catalog").click()
        page.get_by_placeholder("Search add-ons").fill(name)
        page.get_by_role("button", name="Search", exact=True).click()
        page.get_by_role("button", name=f"Add {name} to the cart").click()
        expect(page.get_by_role("heading", name="Cart")).to_be_visible()
    quantity = page.get_by_label("Quantity of Vector Search")
    quantity.fill("2")
    quantity.press("Enter")
    expect(page.get_by_label("Quantity of Vector Search")).to_have_value("2")
    page.get_by_label("Promotional code").fill("launch2025")
    page.get_by_role("button", name="Apply").click()
    # 64.96 less 9.99 for the bundle and 10.99 for the code.
    expect(page.locator("dd.total")).to_have_text("$43.98")
    picture(page, "cart")
    why = page.get_by_text("Why this price?")
    detail = page.get_by_text("20 % of 49.97")
    expect(detail).to_be_hidden()
    why.click()
    expect(detail).to_be_visible()
    expect(page.get_by_text("their part of 9.99 is 3.99")).to_be_visible()
    picture(page, "why")
    page.get_by_role("button", name="Check out").click()
    expect(page.get_by_role("heading", name="43.98 USD")).to_be_visible()
    picture(page, "pay")
    page.get_by_role("button", name="Pay").click()
    expect(page.get_by_role("heading", name="Thank you")).to_be_visible()
    picture(page, "order")
    page.get_by_role("link", name="See my features").click()
    expect(page.get_by_role("heading", name="GPU hours")).to_be_visible()
    picture(page, "features")
    granted = psql("shop_under_test", "-Atc", f"SELECT count(*) FROM marketplace.active_add_ons('{user}')")
    assert granted.strip() == "3"


def test_changing_ones_mind(page):
    user = f"bob-{page.size}"
    sign_in(page, user)
    page.get_by_role("button", name="Add GPU Compute to the cart").click()
    page.get_by_role("button", name="Check out").click()
    page.get_by_role("link", name="Not now").click()
    expect(page.get_by_role("heading", name="Waiting for your payment")).to_be_visible()
    picture(page, "waiting")
    page.get_by_role("button", name="Back to the cart").click()
    expect(page.locator("dd.total")).to_have_text("$49.99")
    page.get_by_role("button", name="Remove GPU Compute").click()
    expect(page.get_by_text("Nothing is in it yet.")).to_be_visible()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("link", name="Sign in")).to_be_visible()


def test_a_feature_that_one_does_not_have_leads_to_what_gives_it(page):
    sign_in(page, f"cyd-{page.size}")
    page.goto("/lab/gpu")
    expect(page.get_by_text("with GPU hours")).to_be_visible()
    expect(page.locator("article")).to_have_count(2)
