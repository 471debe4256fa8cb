"""The documentation as a site: it can be built, and read without a network."""

import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

from tests.docs.documents import DOCS, ROOT
from tests.helm.charts import run


def test_it_is_read_and_searched_from_a_folder(tmp_path: Path, chromium: Path) -> None:
    """Each document is a page, of which nothing is loaded from elsewhere; links may lead anywhere.

    A strict build leaves no page out, nor a link that leads nowhere. Browsers deny pages without a
    server the worker that searches.
    """
    config = f"--config-file={ROOT / 'mkdocs.yml'}"
    run(Path(sys.executable), "-m", "mkdocs", "build", "--strict", config, "--site-dir", tmp_path)
    pages = {path.relative_to(DOCS).with_suffix(".html") for path in DOCS.rglob("*.md")}
    renamed = {Path("runbooks/README.html"): Path("runbooks/index.html")}
    asked: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1300, "height": 800})
        page.on("request", lambda request: asked.append(request.url))
        for each in (*pages, Path("deploy/aws.html")):
            page.goto((tmp_path / renamed.get(each, each)).as_uri())
        page.keyboard.press("f")
        page.keyboard.type("internet")
        page.locator(".md-search-result__item", has_text="Without the internet").wait_for()
        browser.close()
    assert [url for url in asked if not url.startswith(("file:", "data:", "about:"))] == []
