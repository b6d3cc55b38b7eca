"""Feeds as they come, from a real server: the new becomes a story, the edited stays one, nobody else is asked."""

from __future__ import annotations

import gzip
import io
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address

import pytest
from PIL import Image

from newsletter.app import App
from newsletter.editorial.incoming.feeds import read_feed
from newsletter.editorial.incoming.fetching import Fetcher, is_public
from newsletter.editorial.incoming.pulling import Pulled, pull
from newsletter.editorial.library import Library
from newsletter.errors import Refused
from newsletter.settings import FeedSettings

URL = "https://wire.example.org/feed"


@dataclass
class Wire:
    """A server that serves what a test puts there."""

    port: int = 0
    pages: dict[str, tuple[int, dict[str, str], bytes]] = field(default_factory=dict)
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)

    def put(self, path: str, body: bytes | str, status: int = 200, **headers: str) -> str:
        data = body if isinstance(body, bytes) else body.encode()
        self.pages[path] = (status, {name.replace("_", "-"): value for name, value in headers.items()}, data)
        return f"http://wire.example.org:{self.port}{path}"


@pytest.fixture
def wire() -> Iterator[Wire]:
    served = Wire()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            served.asked.append((self.path, {k.lower(): v for k, v in self.headers.items()}))
            status, headers, body = served.pages.get(self.path, (404, {}, b""))
            if self.headers.get("If-None-Match") and self.headers["If-None-Match"] == headers.get("ETag"):
                status, body = 304, b""
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            try:
                self.wfile.write(body)
            except OSError:
                return

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    served.port = server.server_port
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield served
    server.shutdown()
    server.server_close()


@pytest.fixture
def fetcher(wire: Wire) -> Fetcher:
    """One that finds every host on the test's own server."""
    return Fetcher(
        2_000_000, allowed=lambda _: True, resolve=lambda _host, _port: ["127.0.0.1"], ports=frozenset({wire.port})
    )


@pytest.fixture
def pulled(app: App, wire: Wire, fetcher: Fetcher) -> Callable[..., Pulled]:
    def run(limit: int = 20) -> Pulled:
        url = f"http://wire.example.org:{wire.port}/feed"
        settings = FeedSettings(url=url, source="The Wire", limit=limit)
        return pull(app.store, app.workspace.issues, "wire", settings, fetcher=fetcher, now=app.now())

    return run


def rss(*items: str, version: str = "2.0") -> str:
    return f'<rss version="{version}"><channel><title>Wire</title>{"".join(items)}</channel></rss>'


def item(number: int, title: str = "", body: str = "", more: str = "") -> str:
    return (
        f"<item><guid>{number}</guid><title>{title or f'Story {number}'}</title>"
        f"<link>https://wire.example.org/{number}</link>"
        f"<description><![CDATA[{body or f'<p>Text {number}.</p>'}]]></description>{more}</item>"
    )


SHAPES = {
    "RSS 0.91": rss("<item><title>A</title><link>https://x.example/1</link></item>", version="0.91"),
    "RSS 1.0": (
        '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns="http://purl.org/rss/1.0/">'
        '<channel rdf:about="x"><title>W</title></channel>'
        '<item rdf:about="https://x.example/1"><title>A</title><link>https://x.example/1</link></item></rdf:RDF>'
    ),
    "RSS 2.0": rss("<item><guid>g</guid><title>A</title><link>https://x.example/1</link></item>"),
    "Atom": (
        '<feed xmlns="http://www.w3.org/2005/Atom"><entry><id>urn:1</id><title>A</title>'
        '<link href="https://x.example/1"/><content type="html">&lt;p&gt;x&lt;/p&gt;</content></entry></feed>'
    ),
    "Atom 0.3": (
        '<feed version="0.3" xmlns="http://purl.org/atom/ns#"><entry><id>1</id><title>A</title>'
        '<link rel="alternate" href="https://x.example/1"/></entry></feed>'
    ),
    "JSON Feed": (
        '{"version": "https://jsonfeed.org/version/1.1", "title": "W", "items": '
        '[{"id": 7, "title": "A", "url": "https://x.example/1", "content_text": "x <y>"}, "no item"]}'
    ),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_every_kind_of_feed_is_read(shape: str) -> None:
    [entry] = read_feed(SHAPES[shape].encode(), url=URL)
    assert (entry.title, entry.url) == ("A", "https://x.example/1")
    assert entry.identity


def test_titles_lose_their_markup_and_bad_dates_are_no_date() -> None:
    more = "<pubDate>next Tuesday</pubDate>"
    [entry] = read_feed(rss(item(1, "A &lt;b&gt;bold&lt;/b&gt; &amp;amp; more", more=more)).encode(), url=URL)
    assert (entry.title, entry.published) == ("A bold & more", None)


def test_a_feed_in_another_encoding_keeps_its_letters() -> None:
    text = '<?xml version="1.0" encoding="windows-1252"?>' + rss(item(1, "Café — naïve"))
    [entry] = read_feed(text.encode("windows-1252"), url=URL)
    assert entry.title == "Café — naïve"


@pytest.mark.parametrize(
    "body", [b"", b"<html><p>Not found</p></html>", b"{}", b"[" * 50_000, b'{"version": 1}', b"\x00"]
)
def test_what_is_no_feed_is_refused_in_words(body: bytes) -> None:
    with pytest.raises(Refused, match="is not a feed"):
        read_feed(body, url=URL)


def test_new_stories_come_into_the_inbox_clean(wire: Wire, pulled: Callable[..., Pulled], app: App) -> None:
    body = '<p>Von der Leyen noted a<a href="https://x.example/?utm_source=w">warning</a>.<script>x()</script></p>'
    wire.put("/feed", rss(item(1, "Walls", body, "<pubDate>Wed, 09 Oct 2024 08:00:00 GMT</pubDate>")))
    done = pulled()
    assert done.new == ["_inbox/wire-walls"]
    story = Library(app.workspace.issues).story("_inbox/wire-walls")
    assert story.body.strip() == "Von der Leyen noted a [warning](https://x.example/)."
    assert (story.meta.title, story.meta.source, str(story.meta.date)) == ("Walls", "The Wire", "2024-10-09")
    assert {repair.kind for repair in done.repairs["_inbox/wire-walls"]} == {"trackers", "link-spaces"}


def test_pulling_again_brings_nothing_twice(wire: Wire, pulled: Callable[..., Pulled]) -> None:
    wire.put("/feed", rss(item(1), item(2)))
    assert len(pulled().new) == 2
    again = pulled()
    assert (again.new, again.unchanged) == ([], 2)


def test_an_edited_story_is_the_same_story(wire: Wire, pulled: Callable[..., Pulled], app: App) -> None:
    wire.put("/feed", rss(item(1, "Walls")))
    pulled()
    wire.put("/feed", rss(item(1, "Walls, corrected", "<p>New.</p>")))
    done = pulled()
    assert (done.new, done.updated) == ([], ["_inbox/wire-walls"])
    assert "New." in (app.workspace.issues / "_inbox" / "wire-walls.md").read_text()


def test_what_an_editor_worked_on_is_hers(wire: Wire, pulled: Callable[..., Pulled], app: App) -> None:
    wire.put("/feed", rss(item(1, "Walls"), item(2, "Seas")))
    pulled()
    worked = app.workspace.issues / "_inbox" / "wire-walls.md"
    worked.write_text(worked.read_text() + "\nAnd ours.\n")
    (app.workspace.issues / "_inbox" / "wire-seas.md").rename(app.workspace.issues / "moved.md")
    wire.put("/feed", rss(item(1, "Walls", "<p>Edited.</p>"), item(2, "Seas", "<p>Edited.</p>")))
    done = pulled()
    assert (done.kept, done.updated, done.new) == (["_inbox/wire-walls", "_inbox/wire-seas"], [], [])
    assert "And ours." in worked.read_text()
    assert pulled().kept == []  # said once


def test_an_unchanged_feed_is_not_sent_again(wire: Wire, pulled: Callable[..., Pulled]) -> None:
    wire.put("/feed", rss(item(1)), ETag='"v1"')
    pulled()
    assert pulled().not_modified
    assert wire.asked[-1][1]["if-none-match"] == '"v1"'


def test_a_feed_with_more_than_the_limit_comes_in_by_and_by(wire: Wire, pulled: Callable[..., Pulled]) -> None:
    wire.put("/feed", rss(*(item(number) for number in range(5))), ETag='"v1"')
    assert [len(pulled(limit=2).new) for _ in range(4)] == [2, 2, 1, 0]


def test_a_picture_comes_along_and_waits_for_its_description(
    wire: Wire, pulled: Callable[..., Pulled], app: App
) -> None:
    out = io.BytesIO()
    Image.new("RGB", (600, 400), "red").save(out, "JPEG")
    url = wire.put("/wall.php?x=1", out.getvalue())
    wire.put("/feed", rss(item(1, "Walls", more=f'<enclosure url="{url}" type="image/jpeg" length="1"/>')))
    pulled()
    image = Library(app.workspace.issues).story("_inbox/wire-walls").meta.image
    assert image is not None
    assert (image.src, image.alt) == ("wire-walls.jpg", "")
    assert (app.workspace.issues / "_inbox" / "wire-walls.jpg").read_bytes() == out.getvalue()


@pytest.mark.parametrize("data", [b"<svg onload='x()'/>", b"MZ\x90", b""])
def test_what_is_no_picture_is_left_out_and_said(
    wire: Wire, pulled: Callable[..., Pulled], app: App, data: bytes
) -> None:
    url = wire.put("/wall.jpg", data)
    wire.put("/feed", rss(item(1, "Walls", more=f'<enclosure url="{url}" type="image/jpeg" length="1"/>')))
    done = pulled()
    assert "is not a JPEG, PNG or GIF" in done.problems[0]
    assert Library(app.workspace.issues).story("_inbox/wire-walls").meta.image is None
    assert not list((app.workspace.issues / "_inbox").glob("*.jpg"))


@pytest.mark.parametrize("title", ["../../etc/passwd", "a/b\\c", '"+++\nfollows=["x"]', "\u202e", "x" * 5_000])
def test_a_hostile_title_names_a_plain_file_in_the_inbox(
    wire: Wire, pulled: Callable[..., Pulled], app: App, title: str
) -> None:
    wire.put("/feed", rss(item(1, f"<![CDATA[{title}]]>")))
    for story in pulled().new:
        assert Library(app.workspace.issues).story(story).meta.follows == ()
    assert {path.parent.name for path in app.workspace.root.rglob("*.md")} <= {"_inbox"}


# -- what is never asked -----------------------------------------------------------------------------------------------

PRIVATE = [
    "127.0.0.1",
    "10.0.0.1",
    "172.16.0.1",
    "192.168.1.1",
    "169.254.169.254",
    "0.0.0.0",
    "100.64.0.1",
    "224.0.0.1",
    "::1",
    "fe80::1",
    "fc00::1",
    "::ffff:127.0.0.1",
    "2002:7f00:1::",
    "64:ff9b::7f00:1",
]


@pytest.mark.parametrize("address", PRIVATE)
def test_a_private_address_is_never_asked(address: str) -> None:
    assert not is_public(ip_address(address))
    asked = Fetcher(1_000, resolve=lambda _host, _port: ["93.184.215.14", address])
    with pytest.raises(Refused, match="private network"):
        asked.get("http://wire.example.org/")


@pytest.mark.parametrize("address", ["93.184.215.14", "2606:2800:21f:cb07:6820:80da:af6b:8b2c"])
def test_a_public_address_may_be_asked(address: str) -> None:
    assert is_public(ip_address(address))


@pytest.mark.parametrize(
    "url",
    ["file:///etc/passwd", "ftp://x.example/", "http://u:p@x.example/", "http://x.example:22/", "http:///x", "//x", "http://[x"],
)  # fmt: skip
def test_an_address_that_is_no_web_page_is_refused(url: str) -> None:
    with pytest.raises(Refused):
        Fetcher(1_000, resolve=lambda _host, _port: ["93.184.215.14"]).get(url)


def test_a_redirect_into_a_private_network_is_not_followed(wire: Wire) -> None:
    wire.put("/feed", "", 302, Location=f"http://inside.example.org:{wire.port}/secret")
    addresses = {"wire.example.org": "127.0.0.1", "inside.example.org": "127.0.0.2"}
    asked = Fetcher(
        1_000,
        allowed=lambda ip: str(ip) == "127.0.0.1",
        resolve=lambda host, _port: [addresses[host]],
        ports=frozenset({wire.port}),
    )
    with pytest.raises(Refused, match="private network"):
        asked.get(f"http://wire.example.org:{wire.port}/feed")
    assert [path for path, _ in wire.asked] == ["/feed"]


def test_redirects_come_to_an_end(wire: Wire, fetcher: Fetcher) -> None:
    url = wire.put("/loop", "", 302, Location="/loop")
    with pytest.raises(Refused, match="leads on and on"):
        fetcher.get(url)


def test_a_huge_answer_is_cut_off_as_it_comes(wire: Wire, fetcher: Fetcher) -> None:
    url = wire.put("/huge", b"x" * 3_000_000)
    with pytest.raises(Refused, match="larger than 2,000,000 bytes"):
        fetcher.get(url)


def test_a_small_answer_that_unpacks_into_a_huge_one_is_cut_off_too(wire: Wire, fetcher: Fetcher) -> None:
    url = wire.put("/bomb", gzip.compress(b"\0" * 50_000_000), Content_Encoding="gzip")
    with pytest.raises(Refused, match="larger than 2,000,000 bytes"):
        fetcher.get(url)


def test_an_endless_answer_is_given_up(wire: Wire) -> None:
    url = wire.put("/slow", b"x" * 200_000)
    ticks = iter(range(0, 1_000, 20))
    slow = Fetcher(
        2_000_000,
        allowed=lambda _: True,
        resolve=lambda _host, _port: ["127.0.0.1"],
        ports=frozenset({wire.port}),
        clock=lambda: float(next(ticks)),
    )
    with pytest.raises(Refused, match="takes longer than 30 seconds"):
        slow.get(url)


def test_nobody_there_and_an_error_are_said_in_one_line(wire: Wire, fetcher: Fetcher) -> None:
    with pytest.raises(Refused, match="answers 404"):
        fetcher.get(f"http://wire.example.org:{wire.port}/none")
    nobody = Fetcher(1_000, resolve=lambda _host, _port: [])
    with pytest.raises(Refused, match=r"there is no host nowhere\.example"):
        nobody.get("http://nowhere.example/")
