"""The pages as people meet them: a real browser, the running demo, and one broken role in it."""

import json
import os
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from exporter.demo.story import BROKEN, DENIED, NOT_ENABLED
from exporter.model import Invitation, Target
from tests.browser.conftest import Demo, NewPage
from tests.processes import until

IMAGES = Path(__file__).parents[2] / "docs" / "images"
PATHS = (
    "/",
    "/targets",
    "/targets?state=failing&sort=error",
    "/targets?q=123456789012",
    f"/targets/{BROKEN}/eu-west-1",
    f"/targets/{NOT_ENABLED[0]}/{NOT_ENABLED[1]}",
    "/config",
    "/targets?page=x",
    "/targets/1/2",
)
NARROW, PHONE = {"width": 360, "height": 740}, 390


def regions(page: Page) -> list[str]:
    """Return the table's targets, in order."""
    return [str(link.get_attribute("id")) for link in page.locator("tbody a.region").all()]


NO_CLIPBOARD = "Object.defineProperty(navigator.clipboard, 'writeText', {value: null})"


@pytest.mark.parametrize("script", ["", NO_CLIPBOARD], ids=["TLS", "plain HTTP"])
def test_from_the_first_page_to_the_statement_that_mends_it(new_page: NewPage, script: str) -> None:
    """A newcomer sees that something is wrong, in a click where and why, and copies the cure.

    Over plain HTTP too, where a browser has no clipboard to write to but the old one.
    """
    page = new_page(permissions=["clipboard-read", "clipboard-write"])
    page.add_init_script(script)
    page.goto("/")
    expect(page.get_by_role("heading", level=2).first).to_have_text(
        re.compile("unknown accounts? asks? to become the Macie administrator")
    )
    problem = page.get_by_role("listitem").filter(has_text=BROKEN)
    expect(problem).to_contain_text("AccessDenied")
    expect(problem).to_contain_text("trust policy")

    problem.get_by_role("link", name="eu-west-1").click()

    expect(page.get_by_role("heading", level=1)).to_have_text("web-staging, eu-west-1")
    expect(page.get_by_role("heading", level=2).first).to_contain_text("AccessDenied")
    expect(page.locator("#target")).to_contain_text(re.compile("AWS.s request id [0-9a-f-]{36}"))
    expect(page.locator("#target")).to_contain_text("is not authorized to perform: sts:AssumeRole")
    old = "new ClipboardItem({'text/plain': new Blob(['old'], {type: 'text/plain'})})"
    page.evaluate(f"navigator.clipboard.write([{old}])")
    page.get_by_role("button", name="Copy").first.click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    (statement,) = json.loads(page.evaluate("navigator.clipboard.readText()"))["Statement"]
    assert statement["Action"] == "sts:AssumeRole"
    assert statement["Principal"] == {
        "AWS": "arn:aws:iam::111111111111:user/macie-invitations-exporter"
    }


def test_filter(page: Page) -> None:
    """By words, and by state without a further click."""
    page.goto("/targets")
    expect(page.locator("#total")).to_have_text("48 of 48 targets")
    box = page.get_by_label("Account, region, inviter or error")
    box.fill("legacy us-")
    box.press("Enter")
    expect(page.locator("#total")).to_have_text("2 of 48 targets")
    expect(page).to_have_url(re.compile(r"/targets\?q=legacy\+us-$"))
    page.get_by_role("checkbox", name="failing").check()
    expect(page.locator("#total")).to_have_text("1 of 48 targets")
    expect(page).to_have_url(re.compile(r"q=legacy\+us-&state=failing$"))
    assert regions(page) == ["t-" + "-".join(DENIED)]
    expect(box).to_have_value("legacy us-")
    page.get_by_role("link", name="Reset").click()
    expect(page.locator("#total")).to_have_text("48 of 48 targets")


def test_ages_tick(page: Page) -> None:
    """Every second, without asking the exporter, and by its clock instead of the browser's."""
    page.clock.install(time="2001-02-03T04:05:06Z")
    # Before anything is there that could be late: from now on only the test moves the clock.
    page.clock.pause_at("2001-02-03T05:05:06Z")
    page.goto("/targets?q=007700770077&sort=region")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.get_by_role("button", name="Stop refreshing").click()
    age = page.locator("tbody tr:nth-child(2) td[data-label='Last success'] time")
    before = int(str(age.text_content()).removesuffix("s ago"))
    assert before < 55
    page.clock.run_for(3000)
    expect(age).to_have_text(f"{before + 3}s ago")
    page.clock.run_for(15_000)
    expect(page.locator("tbody tr:nth-child(2) time[data-due]")).to_have_text("now")
    assert [url for url in asked if "/targets" in url] == []
    with page.expect_response("**/targets?q=007700770077*"):
        page.get_by_role("button", name="Refresh every 10s").click()


def test_the_table_refreshes_itself_and_stays_where_it_is(page: Page, demo: Demo) -> None:
    """New data come in; the place on the page, the focus and what somebody types remain.

    What is marked stays too: somebody may be about to copy it.
    """
    account, region = "090909090909", "us-east-2"
    page.clock.install()
    page.goto("/targets")
    link = page.locator(f"#t-{account}-{region}")
    link.scroll_into_view_if_needed()
    page.get_by_label("Account, region, inviter or error").fill("half a w")
    link.focus()
    row = page.get_by_role("row").filter(has=link)
    expect(row).not_to_contain_text("Paused")
    page.evaluate("scrollTo(0, 100)")
    expect(link).not_to_be_in_viewport()
    sent = datetime.now(UTC).timestamp()
    demo.story.invite(Target(account, region), Invitation("012345678901", "new", "Paused", sent))
    until(
        lambda: b'"Paused"' in demo.exporter.request(f"/api/v1/targets?q={account}").body,
        "the poll after the invitation",
    )
    page.evaluate("getSelection().selectAllChildren(document.querySelector('td .said'))")
    marked = page.evaluate("String(getSelection())")
    with page.expect_response("**/targets"):
        page.clock.run_for(10_000)
    assert page.evaluate("String(getSelection())") == marked != ""
    page.evaluate("getSelection().removeAllRanges()")
    page.clock.run_for(10_000)
    expect(row).to_contain_text("Paused 1")
    expect(link).to_be_focused()
    expect(page.get_by_label("Account, region, inviter or error")).to_have_value("half a w")
    assert page.evaluate("scrollY") == 100


def test_an_exporter_that_does_not_answer(page: Page) -> None:
    """The page says so, and that it no longer does once there is an answer again."""
    page.clock.install()
    page.goto("/targets")
    status = page.get_by_role("status")
    page.route("**/targets", lambda route: route.fulfill(body="<p>Log in, please</p>"))
    page.clock.run_for(10_000)
    expect(status).to_have_text("The exporter does not answer: what is shown is old.")
    expect(page.locator("#total")).to_have_text("48 of 48 targets")
    page.unroute("**/targets")
    page.clock.run_for(10_000)
    expect(status).to_have_text("")


def test_without_scripts(new_page: NewPage) -> None:
    """Filter, sort, page and drill down all the same."""
    page = new_page(java_script_enabled=False)
    page.goto("/targets?per_page=10")
    page.get_by_label("Account, region, inviter or error").fill("production")
    page.get_by_label("Sort by").select_option("Region")
    page.get_by_role("button", name="Show").click()
    expect(page.locator("#total")).to_have_text("36 of 48 targets")
    for order in ("descending", "ascending"):
        page.get_by_role("link", name="Region").click()
        header = page.get_by_role("columnheader", name="Region")
        expect(header).to_have_attribute("aria-sort", order)
        shown = [name.split("-", 2)[2] for name in regions(page)]
        assert shown == sorted(shown, reverse=order == "descending")
    for link, number in (("Next", 2), ("Last", 4), ("Previous", 3), ("First", 1)):
        page.get_by_role("link", name=link, exact=True).click()
        expect(page.get_by_text(f"Page {number} of 4")).to_be_visible()
    page.goto(f"/targets/{BROKEN}/eu-west-1")
    expect(page.locator("pre").first).to_contain_text("LetTheExporterIn")
    expect(page.get_by_role("button")).to_have_count(0)
    page.get_by_role("navigation", name="Above this page").get_by_text("web-staging").click()
    expect(page.locator("#total")).to_have_text("4 of 48 targets in account web-staging " + BROKEN)


BROKEN_WORDS = """() => {
  const broken = [];
  const walker = document.createTreeWalker(document.querySelector("main"), NodeFilter.SHOW_TEXT);
  for (let node; (node = walker.nextNode()); ) {
    if (node.parentElement.closest("pre, .hidden, thead")) continue;
    for (const word of node.data.matchAll(/\\w+/g)) {
      const range = document.createRange();
      range.setStart(node, word.index);
      range.setEnd(node, word.index + word[0].length);
      const lines = new Set([...range.getClientRects()].map((box) => Math.round(box.top)));
      if (lines.size > 1) broken.push(word[0]);
    }
  }
  return broken;
}"""


@pytest.mark.parametrize("width", [320, PHONE, 600, 1025, 1200])
def test_narrow_screens(new_page: NewPage, width: int) -> None:
    """Nothing has to be pushed sideways but code in itself; on a phone no word is broken."""
    page = new_page(viewport={"width": width, "height": 800})
    wrong: dict[str, object] = {}
    for path in (*PATHS, "/targets?status=EmailVerificationInProgress&per_page=1000"):
        page.goto(path)
        wide = page.evaluate("document.documentElement.scrollWidth") > width
        broken = page.evaluate(BROKEN_WORDS) if width == PHONE else []
        wrong |= {path: (wide, broken)} if wide or broken else {}
    assert wrong == {}


@pytest.mark.parametrize(
    ("scheme", "viewport"), [("light", {"width": 1280, "height": 800}), ("dark", NARROW)]
)
def test_nobody_is_shut_out(new_page: NewPage, scheme: str, viewport: dict[str, int]) -> None:
    """Axe has nothing to say: contrast, labels, captions, landmarks, order of headings."""
    page = new_page(viewport=viewport, color_scheme=scheme)
    found: dict[tuple[str, ...], list[str]] = {}
    for path in PATHS:
        page.goto(path)
        violations = Axe().run(page).response["violations"]
        found |= {
            (path, each["id"], each["impact"]): [node["html"] for node in each["nodes"]][:2]
            for each in violations
        }
    assert found == {}


def test_by_keyboard(page: Page) -> None:
    """The first stop skips what every page has; every stop can be seen."""
    page.goto("/targets?q=legacy")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_in_viewport()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    expect(page.get_by_label("Account, region, inviter or error")).to_be_focused()
    outline = "getComputedStyle(document.activeElement).outlineStyle"
    for _ in range(12):
        assert page.evaluate(outline) == "solid"
        page.keyboard.press("Tab")


PICTURES = {
    "overview": ("/", "light"),
    "targets": ("/targets?sort=state", "light"),
    "targets-dark": ("/targets?sort=state", "dark"),
    "target": (f"/targets/{BROKEN}/eu-west-1", "light"),
}


@pytest.mark.parametrize("name", PICTURES)
def test_pictures_of_the_documentation(new_page: NewPage, name: str) -> None:
    """Each is small; with UPDATE_SCREENSHOTS=1 it is taken anew."""
    image, (path, scheme) = IMAGES / f"{name}.png", PICTURES[name]
    if os.environ.get("UPDATE_SCREENSHOTS") == "1":
        page = new_page(color_scheme=scheme, viewport={"width": 1200, "height": 760})
        page.goto(path)
        expect(page.get_by_role("heading", level=1)).to_be_visible()
        page.screenshot(path=image)
    assert 10_000 < image.stat().st_size < 150_000
