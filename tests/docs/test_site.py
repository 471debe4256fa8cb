"""The documentation as a site: it can be built, and read without a network."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from playwright.sync_api import sync_playwright

from tests.docs.documents import DOCS, ROOT

LOADED = re.compile(
    r"""<(?:script|img|iframe|source)\b[^>]*\bsrc=["']?(?:https?:)?//"""
    r"""|<link\b[^>]*rel=["']?(?:stylesheet|preconnect|icon)[^>]*href=["']?(?:https?:)?//"""
    r"""|url\(["']?(?:https?:)?//|data-md-component=["']?source\b"""
)
"""What makes a browser ask another host; the last lets Material ask GitHub's API."""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, from a strict build: no page is left out, no link leads nowhere."""
    folder = tmp_path_factory.mktemp("site")
    built = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", folder],
        cwd=ROOT,
        env=os.environ | {"NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, built.stderr
    return folder


def test_every_page_is_there(site: Path) -> None:
    """Each document is a page."""
    pages = {path.relative_to(DOCS).with_suffix(".html") for path in DOCS.rglob("*.md")}
    renamed = {Path("runbooks/README.html"): Path("runbooks/index.html")}
    assert [page for page in pages if not (site / renamed.get(page, page)).is_file()] == []


def test_nothing_is_loaded_from_elsewhere(site: Path) -> None:
    """Neither scripts nor styles, fonts or pictures; links may lead anywhere."""
    files = [*site.rglob("*.html"), *site.rglob("*.css")]
    assert len(files) > 20
    found = [(path.name, match[0]) for path in files for match in LOADED.finditer(path.read_text())]
    assert found == []


def test_it_can_be_searched_from_a_folder(site: Path, chromium: Path) -> None:
    """Browsers deny pages without a server the worker that searches."""
    asked: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1300, "height": 800})
        page.on("request", lambda request: asked.append(request.url))
        page.goto((site / "deploy" / "aws.html").as_uri())
        page.keyboard.press("f")
        page.keyboard.type("internet")
        page.locator(".md-search-result__item", has_text="Without the internet").wait_for()
        browser.close()
    assert [url for url in asked if not url.startswith(("file:", "data:", "about:"))] == []
