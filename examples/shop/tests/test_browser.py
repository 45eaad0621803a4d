"""The shop and its desk as people use them: a server, headless Chromium, three widths, light and dark, and once with the keyboard alone.

SHOP_SCREENSHOTS names a folder for pictures of the pages."""

import os
import shutil
import socket
import threading
import time

import pytest
import uvicorn
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect, sync_playwright
from shop.app import create_app

from conftest import BOLT, BRIGADE, GPU, VECTORS, psql, settings_for

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip

pytestmark = pytest.mark.skipif(
    CHROMIUM is None and not os.environ.get("CI"), reason="there is no Chromium: scripts/setup.sh browser installs it"
)


@pytest.fixture(scope="module")
def app(database_url):
    """The shop, which runs in a thread, on a free port."""
    listener = socket.create_server(("127.0.0.1", 0))
    app = create_app(settings_for(database_url, f"http://127.0.0.1:{listener.getsockname()[1]}"))
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    while not server.started:
        assert thread.is_alive()
        time.sleep(0.02)
    yield app
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


SIZES = {"desktop": {"width": 1280, "height": 800}, "phone": {"width": 390, "height": 844}, "narrow": {"width": 320, "height": 640}}


def opened(chromium, app, size, scheme="light"):
    context = chromium.new_context(
        base_url=app.state.settings.public_url, viewport=SIZES[size], has_touch=size != "desktop", color_scheme=scheme,
        reduced_motion="reduce", locale="en-US", timezone_id="UTC",
    )  # fmt: skip
    context.set_default_timeout(20_000)
    page = context.new_page()
    page.failures = []
    page.on("response", lambda response: page.failures.append(response.url) if response.status >= 500 else None)
    page.on("pageerror", lambda error: page.failures.append(str(error)))
    page.size, page.scheme = size, scheme
    return page


@pytest.fixture(params=SIZES)
def page(request, chromium, app):
    page = opened(chromium, app, request.param)
    yield page
    page.context.close()
    assert page.failures == []


def picture(page, name):
    # Whatever is on the page fits on the screen: nobody scrolls sideways.
    assert page.evaluate("document.documentElement.scrollWidth") <= SIZES[page.size]["width"], name
    if folder := os.environ.get("SHOP_SCREENSHOTS"):
        page.screenshot(path=f"{folder}/{name}-{page.size}-{page.scheme}.png", full_page=True)


def sign_in(page, name):
    page.goto("/sign-in")
    page.get_by_label("Name").fill(name)
    page.get_by_role("main").get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="Catalog")).to_be_visible()


def test_from_the_catalog_to_ones_features(page):
    user = f"ada-{page.size}"
    sign_in(page, user)
    for number, name in enumerate(("Brigade", "Bolt", "Vector Search"), 1):
        page.get_by_role("link", name="Catalog").click()
        page.get_by_placeholder("Search add-ons").fill(name)
        page.get_by_role("button", name="Search", exact=True).click()
        page.get_by_role("button", name=f"Add {name} to the cart").click()
        expect(page.get_by_label(f"{number} in it")).to_be_visible()
    quantity = page.get_by_label("Quantity of Vector Search").and_(page.get_by_role("spinbutton"))
    quantity.fill("2")
    quantity.press("Enter")
    expect(quantity).to_have_value("2")
    page.get_by_label("Promotional code").fill("launch2025")
    page.get_by_role("button", name="Apply").click()
    # 64.96 less 9.99 for the bundle and 10.99 for the code.
    expect(page.locator("dd.total")).to_have_text("$43.98")
    expect(page.get_by_text("20 % off Brigade, Bolt and Vector Search, because you have all three")).to_be_visible()
    picture(page, "cart")
    detail = page.get_by_text("20 % of 49.97")
    expect(detail).to_be_hidden()
    page.get_by_text("Every step, to the cent").click()
    expect(detail).to_be_visible()
    expect(page.get_by_text("their part of 9.99 is 3.99")).to_be_visible()
    picture(page, "why")
    page.get_by_role("button", name="Check out").click()
    expect(page.get_by_role("heading", name="43.98 USD")).to_be_visible()
    picture(page, "pay")
    page.get_by_role("button", name="Pay").click()
    expect(page.get_by_role("heading", name="Thank you")).to_be_visible()
    page.get_by_role("link", name="See my add-ons").click()
    expect(page.get_by_role("heading", name="GPU hours")).to_be_visible()
    granted = psql("shop_under_test", "-Atc", f"SELECT count(*) FROM marketplace.active_add_ons('{user}')")
    assert granted.strip() == "3"


def test_changing_ones_mind(page):
    user = f"bob-{page.size}"
    sign_in(page, user)
    page.get_by_role("button", name="Add GPU Compute to the cart").click()
    page.get_by_label("Promotional code").fill("friend50")
    page.get_by_role("button", name="Apply").click()
    page.get_by_role("button", name="Check out").click()
    page.get_by_role("link", name="Not now").click()
    expect(page.get_by_role("heading", name="Waiting for your payment")).to_be_visible()
    page.get_by_role("button", name="Back to the cart").click()
    expect(page.get_by_text("FRIEND50 takes $5.00 off.")).to_be_visible()
    expect(page.locator("dd.total")).to_have_text("$44.99")
    page.get_by_role("button", name="Remove GPU Compute").click()
    expect(page.get_by_text("There is nothing in your cart yet.")).to_be_visible()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("link", name="Sign in")).to_be_visible()


def test_a_feature_that_one_does_not_have_leads_to_what_gives_it(page):
    sign_in(page, f"cyd-{page.size}")
    page.goto("/lab/gpu")
    expect(page.get_by_text("with GPU hours")).to_be_visible()
    expect(page.locator("article")).to_have_count(2)


def test_long_words_and_sixty_add_ons_lay_out(page):
    psql(
        "shop_under_test", "-c",
        "INSERT INTO marketplace.add_ons (name, description, category, base_price, billing_type, features)"
        " SELECT repeat('Donaudampfschiff', 12) || n, nullif(repeat('x', n * 20), repeat('x', 20)), 'long-words', 12345678.9, 'annual',"
        "        to_jsonb(ARRAY[repeat('feature', 10), 'b']) FROM generate_series(1, 60) n",
    )  # fmt: skip
    try:
        page.goto("/?category=long-words")
        expect(page.locator("article")).to_have_count(24)
        picture(page, "long-words")
        page.locator("article button").first.click()
        expect(page.locator("dd.total")).to_have_text("$12,345,678.90")
        picture(page, "long-words-cart")
    finally:
        psql("shop_under_test", "-c", "DELETE FROM marketplace.add_ons WHERE category = 'long-words'")


# What the keyboard is on: what it is called, whether one sees that it is there, and whether it is on the screen.
FOCUSED = """() => {
    const on = document.activeElement, style = getComputedStyle(on), box = on.getBoundingClientRect();
    return {
        name: on.getAttribute("aria-label") || on.innerText || on.labels?.[0]?.innerText || on.placeholder || "",
        nothing: on === document.body,
        seen: style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2,
        inside: box.bottom > 0 && box.top < innerHeight && box.right > 0 && box.left < innerWidth,
    };
}"""


def tab_to(page, name):
    """Presses Tab until something of that name has the focus, and sees it all the way."""
    for _ in range(120):
        page.keyboard.press("Tab")
        focused = page.evaluate(FOCUSED)
        if focused["nothing"]:
            continue
        assert focused["seen"] and focused["inside"], focused
        if focused["name"].strip().startswith(name):
            return
    raise AssertionError(f"Tab does not lead to {name}")


def enter(page):
    with page.expect_navigation():
        page.keyboard.press("Enter")


def test_a_purchase_with_the_keyboard_alone(page):
    page.goto("/")
    page.keyboard.press("Tab")
    assert page.evaluate(FOCUSED)["name"] == "Skip to the content"
    page.keyboard.press("Enter")
    tab_to(page, "Search add-ons")
    page.keyboard.type("Bolt")
    enter(page)
    expect(page.locator("article")).to_have_count(1)
    tab_to(page, "Add Bolt to the cart")
    enter(page)
    tab_to(page, "Promotional code")
    page.keyboard.type("friend50")
    enter(page)
    expect(page.get_by_text("FRIEND50 takes $5.00 off.")).to_be_visible()
    tab_to(page, "Every step, to the cent")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="List prices")).to_be_visible()
    page.goto("/cart")
    tab_to(page, "Sign in and check out")
    enter(page)
    tab_to(page, "Name")
    page.keyboard.type(f"kay-{page.size}")
    enter(page)
    expect(page.get_by_label("1 in it")).to_be_visible()
    tab_to(page, "Check out")
    enter(page)
    expect(page.get_by_role("heading", name="9.99 USD")).to_be_visible()
    tab_to(page, "Pay")
    enter(page)
    expect(page.get_by_role("heading", name="Thank you")).to_be_visible()
    page.goto("/account")
    tab_to(page, "Cancel Bolt")
    enter(page)
    expect(page.get_by_text("It will not renew.").first).to_be_visible()


def test_the_desk_with_the_keyboard_alone(page, app):
    psql("shop_under_test", "-c", f"SELECT marketplace.grant_add_on('lou-{page.size}', '{BOLT}')")
    page.goto("/desk")
    tab_to(page, "Name")
    page.keyboard.type("sue")
    tab_to(page, "Key")
    page.keyboard.type("key of billing")
    enter(page)
    tab_to(page, "User id, or how it begins")
    page.keyboard.type("lou-")
    enter(page)
    tab_to(page, f"lou-{page.size}")
    enter(page)
    tab_to(page, "Reason to suspend Bolt")
    page.keyboard.type("abuse")
    tab_to(page, "Suspend Bolt")
    enter(page)
    expect(page.get_by_text("Suspended.", exact=True)).to_be_visible()
    tab_to(page, "Resume Bolt")
    enter(page)
    expect(page.get_by_text("No longer suspended.")).to_be_visible()


def picture_of(chromium, app, path, name):
    """docs/images/shop.png and desk.png."""
    page = opened(chromium, app, "desktop")
    page.set_viewport_size({"width": 1040, "height": 900})
    page.request.post("/sign-in", form={"name": "ada"})
    page.request.post("/desk/sign-in", form={"name": "sue", "key": "key of admin"})
    for add_on, quantity in ((BRIGADE, 1), (BOLT, 1), (VECTORS, 2)):
        page.request.put(f"/api/cart/{add_on}", data={"quantity": quantity})
    page.request.post("/cart/code", form={"code": "launch2025"})
    page.goto(path)
    for fold in page.get_by_text("Every step, to the cent").all():
        fold.click()
    page.evaluate("document.activeElement.blur()")
    page.screenshot(path=f"{os.environ['SHOP_SCREENSHOTS']}/{name}.png")
    page.context.close()


for_the_documentation = pytest.mark.skipif("SHOP_SCREENSHOTS" not in os.environ, reason="SHOP_SCREENSHOTS says where to put pictures")


@for_the_documentation
def test_the_picture_of_the_shop(chromium, app):
    picture_of(chromium, app, "/cart", "shop")


@pytest.fixture(scope="module")
def eve(app, chromium):
    """Somebody with a bit of everything: orders, a cart, usage, a payment that pays for nothing. Returns her orders."""
    page = opened(chromium, app, "desktop")
    sign_in(page, "eve")
    post = page.request.post
    orders = []
    for add_ons, code in (((BRIGADE, BOLT, VECTORS), "LAUNCH2025"), ((GPU,), None)):
        for add_on in add_ons:
            post(f"/api/cart/{add_on}", data={"quantity": 2 if add_on == VECTORS else 1})
        started = post("/api/checkout", data={"promo_code": code}).json()
        orders.append(started["checkout_id"])
        if code:
            post(started["pay_at"])
            session = app.state.provider.session_of(started["checkout_id"])
            again = app.state.provider.open(session.form)
            post(again.url)
    for add_on in (BOLT, VECTORS):
        post(f"/api/cart/{add_on}", data={"quantity": 3})
    page.context.close()
    psql(
        "shop_under_test",
        "-c", "SET search_path = marketplace",
        "-c", "SELECT consume_feature('eve', 'gpu_hours', 9.5), consume_feature('eve', 'code_review', 12)",
        "-c", "INSERT INTO add_ons (name, category, base_price, billing_type, is_active) VALUES ('Withdrawn', 'analytics', 9, 'monthly', true)",
        "-c", "SELECT add_to_cart('eve', id) FROM add_ons WHERE name = 'Withdrawn'",
        "-c", "UPDATE add_ons SET is_active = false WHERE name = 'Withdrawn'",
        "-c", "INSERT INTO pricing_rules (add_on_id, discount_percent, conditions) VALUES"
              f" ('{VECTORS}', 10, '{{\"min_quantity\": 3}}'), ('{VECTORS}', 5, '{{\"min_quantity\": 3, \"max_quantity\": 2}}')",
        "-c", "INSERT INTO add_on_purchases (user_id, add_on_id, amount, status, purchased_at)"
              f" SELECT 'old-' || n, '{BOLT}', 14.99 * (1 + n * 13 % 5), 'completed', now() - n * interval '1 day' FROM generate_series(1, 29) n",
    )  # fmt: skip
    return orders


def pages_of(eve):
    """Every page, by the name of its picture: who looks at it, where it is, and what is done there first."""
    shop = {
        "catalog": "/", "nothing-found": "/?search=nothing", "cart": "/cart", "account": "/account", "order": f"/checkout/{eve[0]}",
        "waiting": f"/checkout/{eve[1]}", "lab": "/lab/gpu", "not-found": "/nowhere",
    }  # fmt: skip
    desk = {
        "people": "/desk", "person": "/desk/people?user_id=eve", "desk-order": f"/desk/orders/{eve[0]}", "payments": "/desk/payments",
        "offers": "/desk/offers", "desk-catalog": "/desk/catalog", "sales": "/desk/sales", "health": "/desk/health",
        "add-on": f"/desk/edit/add-on/{BOLT}", "code": "/desk/edit/code/new", "rule": "/desk/edit/rule/new", "bundle": "/desk/edit/bundle/new",
        "desk-not-found": "/desk/edit/nothing/new",
    }  # fmt: skip
    nobody = {"sign-in": "/sign-in", "empty-cart": "/cart", "desk-sign-in": "/desk/sign-in"}
    return [(None, nobody), ("eve", shop), ("admin", desk), ("support", {"not-allowed": "/desk/sales", "support-person": "/desk/people?user_id=eve"})]


@for_the_documentation
def test_the_picture_of_the_desk(chromium, app, eve):
    picture_of(chromium, app, "/desk/sales", "desk")


# Borders of what one fills in or presses, and the mark of the focus, against what is behind them.
FAINT = """() => {
    const channels = (colour) => colour.match(/[\\d.]+/g).map(Number);
    const light = ([r, g, b]) => [r, g, b].map((c) => (c /= 255) <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
        .reduce((sum, c, place) => sum + c * [0.2126, 0.7152, 0.0722][place], 0);
    const contrast = (one, other) => {
        const [dark, bright] = [light(channels(one)), light(channels(other))].sort((a, b) => a - b);
        return (bright + 0.05) / (dark + 0.05);
    };
    const behind = (element) => {
        for (; element; element = element.parentElement) {
            const colour = getComputedStyle(element).backgroundColor;
            if (channels(colour)[3] !== 0) return colour;
        }
        return "rgb(255, 255, 255)";
    };
    const faint = [];
    for (const element of document.querySelectorAll("input:not([type=hidden]):not([type=checkbox]), select, textarea, button, .button, .chip, a, summary")) {
        const back = behind(element.parentElement);
        const style = getComputedStyle(element);
        const isOutlined = element.matches("input, select, textarea, .quiet, .chip");
        if (isOutlined && contrast(style.borderTopColor, back) < 3) faint.push([element.outerHTML.slice(0, 80), "border", style.borderTopColor, back]);
        element.focus({ focusVisible: true });
        if (contrast(style.outlineColor, back) < 3) faint.push([element.outerHTML.slice(0, 80), "focus", style.outlineColor, back]);
    }
    return faint;
}"""


# In the dark only the colours differ.
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", SIZES)
def test_every_page_can_be_read_by_everybody(chromium, app, eve, size, scheme):
    """axe finds nothing, headings are in order, borders and focus can be seen, and nothing is wider than the screen."""
    axe, found = Axe(), {}
    for who, pages in pages_of(eve):
        page = opened(chromium, app, size, scheme)
        if who in ("admin", "support"):
            page.request.post("/desk/sign-in", form={"name": "sue", "key": f"key of {who}"})
        elif who:
            page.request.post("/sign-in", form={"name": who})
        for name, path in pages.items():
            page.goto(path)
            if name == "code":
                page.get_by_label("Code", exact=True).fill("TEN")
                page.get_by_label("Value", exact=True).fill("10")
                page.get_by_role("button", name="What would change?").click()
                expect(page.get_by_role("heading", name="What would change")).to_be_visible()
            if name == "bundle":
                page.get_by_role("button", name="What would change?").click()
                expect(page.get_by_role("alert")).to_contain_text('key "add_on_ids" is missing')
            for fold in page.locator("details").all():
                fold.evaluate("element => element.open = true")
            results = axe.run(page, options={"runOnly": RULES if scheme == "light" else ["color-contrast"], "resultTypes": ["violations"]})
            wrong = [(rule["id"], [node["html"][:160] for node in rule["nodes"]][:3]) for rule in results.response["violations"]]
            wrong += page.evaluate(FAINT)
            if wrong:
                found[name] = wrong
            page.evaluate("document.activeElement.blur(), scrollTo(0, 0)")
            picture(page, name)
        assert page.failures == []
        page.context.close()
    assert found == {}
