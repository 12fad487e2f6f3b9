"""A real Chromium on a page of a real server."""

import shutil
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, expect, sync_playwright

from tests.browser.visits import Visit, visit
from tests.servers import Server

ARGUMENTS = (
    "--no-sandbox",  # containers run as root
    "--disable-background-networking",
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
)
DESKTOP = {"viewport": {"width": 1200, "height": 900}}
PATIENCE_MS = 30_000  # a browser on a busy machine


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """One browser for the tests of a file: while it is driven, an event loop runs, and other tests need their own."""
    program = shutil.which("chromium") or shutil.which("google-chrome")
    if program is None:
        pytest.skip("no Chromium")
    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=program, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def context(chromium: Browser, request: pytest.FixtureRequest) -> Iterator[BrowserContext]:
    """A browser without memory; parametrised indirectly with what Playwright's new_context takes."""
    opened = chromium.new_context(**getattr(request, "param", DESKTOP))
    opened.set_default_timeout(PATIENCE_MS)
    yield opened
    for page in opened.pages:
        page.unroute_all(behavior="ignoreErrors")  # an answer may be on its way still
    opened.close()


@pytest.fixture
def guest(context: BrowserContext, server: Server) -> Iterator[Visit]:
    """A visit that must end without an error, and without a word to another host."""
    opened = visit(context, server)
    yield opened
    assert opened.errors == []
    assert opened.hosts == {urlsplit(server.url).netloc}
