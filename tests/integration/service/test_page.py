import re

import pytest

from service.doors.page import FOLDER
from tests.servers import Server

FILES = sorted(path.name for path in FOLDER.iterdir())
MOST_BYTES = 60_000  # of all files together, as they are


def test_the_way_in(server: Server) -> None:
    for path in ("/", "/ui"):
        assert server.client.get(path, follow_redirects=False).headers["location"] == "/ui/"
    page = server.client.get("/", follow_redirects=True)
    assert page.url.path == "/ui/"
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert page.content == (FOLDER / "index.html").read_bytes()


@pytest.mark.parametrize("name", FILES)
def test_a_file_comes_as_it_is(server: Server, name: str) -> None:
    answer = server.client.get(f"/ui/{name}")
    assert answer.content == (FOLDER / name).read_bytes()
    types = {"html": "text/html", "css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}
    assert answer.headers["content-type"].startswith(types[name.rpartition(".")[2]])
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_only_this_server_may_be_asked(server: Server) -> None:
    policy = server.client.get("/ui/").headers["content-security-policy"]
    directives = dict(part.strip().split(" ", 1) for part in policy.split(";"))
    assert directives.pop("default-src") == "'none'"
    assert set(directives.values()) == {"'self'", "'none'"}
    for name in FILES:
        named = re.findall(r"https?://[^\"'\s`]+", (FOLDER / name).read_text())
        assert set(named) <= {"http://www.w3.org/2000/svg"}  # a name, not an address


def test_what_a_browser_has_is_not_sent_again(server: Server) -> None:
    first = server.client.get("/ui/page.js")
    tag = first.headers["etag"]
    assert re.fullmatch(r'"[0-9a-f]{32}"', tag)
    for known in (tag, f'"other", W/{tag}', "*"):
        again = server.client.get("/ui/page.js", headers={"if-none-match": known})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
    for unknown in ('"other"', tag.replace('"', ""), ""):
        assert server.client.get("/ui/page.js", headers={"if-none-match": unknown}).status_code == 200
    assert server.client.get("/ui/style.css").headers["etag"] != tag


@pytest.mark.parametrize("path", ["/ui/none.js", "/ui/..%2fservice.py", "/ui/%2e%2e/settings.py", "/ui//index.html"])
def test_there_is_nothing_else(server: Server, path: str) -> None:
    answer = server.client.get(path)
    assert (answer.status_code, answer.json()["code"]) == (404, "unknown_route")


def test_the_page_is_only_read(server: Server) -> None:
    assert server.client.head("/ui/").headers["content-length"] == str((FOLDER / "index.html").stat().st_size)
    answer = server.client.post("/ui/page.js")
    assert (answer.status_code, answer.json()["code"]) == (405, "method_not_allowed")


def test_the_page_is_small() -> None:
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) < MOST_BYTES
