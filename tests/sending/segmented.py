"""An issue with blocks for two segments that overlap, and readers in none, one and both of them."""

from __future__ import annotations

import email
import email.policy
from pathlib import Path

from sending_rig import add_readers
from sqlalchemy import select, update

from newsletter.app import App
from newsletter.editorial.resolve import resolve
from newsletter.rendering.build import Build
from newsletter.rendering.render import build_issue
from newsletter.store.tables import deliveries, subscribers

ISSUE = "2024-10-10"
DEFINITION = """\
newsletter = "daily"
date = 2024-10-10
subject = "Walls at home, troops abroad"
preheader = "Plus, the Commission's hearings and six stories worth your time."

[[blocks]]
type = "intro"
body = "Good morning to everybody."

[[blocks]]
type = "cta"
text = "Nur auf Deutsch"
url = "https://example.org/de"
audience = "german"

[[blocks]]
type = "cta"
text = "Only for friends"
url = "https://example.org/friends"
audience = "friends"
"""
GERMAN = 'title = "Readers of German"\n[where]\nlang = "de"\n'
FRIENDS = 'title = "Friends"\n[where]\ndomain = "friends.example.org"\n'
WORDS = {"german": "Nur auf Deutsch", "friends": "Only for friends"}
VARIANTS = {(): "default", ("german",): "german", ("friends",): "friends", ("friends", "german"): "friends+german"}


def write_newsroom(app: App) -> None:
    """The issue and its two segments."""
    (app.workspace.issues / ISSUE).mkdir()
    (app.workspace.issues / ISSUE / "issue.toml").write_text(DEFINITION, encoding="utf-8")
    app.workspace.segments.mkdir()
    (app.workspace.segments / "german.toml").write_text(GERMAN, encoding="utf-8")
    (app.workspace.segments / "friends.toml").write_text(FRIENDS, encoding="utf-8")


def build_of(app: App) -> Build:
    return build_issue(app.workspace, resolve(app.workspace, app.store, ISSUE))


def add_mixed_readers(app: App, number: int, *, first: int = 1) -> list[int]:
    """So many readers: every second reads German, every third is a friend."""
    ids = add_readers(app, number, first=first)
    with app.store.write() as connection:
        for reader in ids:
            place = "friends.example.org" if reader % 3 == 0 else "example.com"
            row = update(subscribers).where(subscribers.c.id == reader)
            connection.execute(row.values(address=f"reader{reader}@{place}", lang="de-AT" if reader % 2 == 0 else None))
    return ids


def segments_of(reader: int) -> tuple[str, ...]:
    return (("friends",) if reader % 3 == 0 else ()) + (("german",) if reader % 2 == 0 else ())


def variants_in_ledger(app: App, send: str) -> dict[int, str]:
    query = select(deliveries.c.subscriber_id, deliveries.c.variant).where(deliveries.c.send_id == send)
    with app.store.read() as connection:
        return {row.subscriber_id: row.variant for row in connection.execute(query)}


def blocks_in(mail: bytes) -> set[str]:
    """Which segments' blocks a mail has, the same in HTML and in text."""
    message = email.message_from_bytes(mail, policy=email.policy.default)
    html, text = (message.get_body((kind,)).get_content() for kind in ("html", "plain"))  # type: ignore[union-attr]
    assert "Good morning to everybody." in html
    assert "Good morning to everybody." in text
    found = [{name for name, words in WORDS.items() if words.lower() in part.lower()} for part in (html, text)]
    assert found[0] == found[1]
    return found[0]


def blocks_seen(outbox: Path) -> dict[int, tuple[str, ...]]:
    """Which segments' blocks stand in each reader's mail."""
    return {int(file.stem.split("-")[1]): tuple(sorted(blocks_in(file.read_bytes()))) for file in outbox.rglob("*.eml")}
