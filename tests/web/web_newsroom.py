"""The pieces a test of the readers' site needs: a reader, a build, and a way to see every row of the database."""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from PIL import Image
from sqlalchemy import insert, select

from newsletter.app import App, open_app
from newsletter.audience.addresses import address_hash, normalise
from newsletter.audience.consent import Basis, Entry, Event
from newsletter.audience.ledger import Profile, add_subscribers, list_for, record
from newsletter.audience.links import Purpose, sign_ticket, sign_unsubscribe
from newsletter.audience.mail_owed import MailKind, owe
from newsletter.audience.select import verdicts
from newsletter.rendering.build import Build, canonical_json
from newsletter.rendering.freeze import freeze
from newsletter.sending import archive
from newsletter.sending import sends as sends_of
from newsletter.store.tables import metadata, sends, service_mails, subscribers

ISSUE = "2024-10-10"
SEND = "abcdefg2"


@dataclass(frozen=True)
class Reader:
    """A subscriber and the unsubscribe link in their mail."""

    id: int
    token: str

    @property
    def link(self) -> str:
        return f"/u/{self.token}"


def subscribe(app: App, written: str, *, newsletter: str = "daily") -> Reader:
    """A reader who may be mailed."""
    address = normalise(written)
    hashed = address_hash(address.normal, app.keys.hash)
    now = app.now()
    yes = Entry(Event.CONFIRMED, now, source="form", actor="reader", jurisdiction="gdpr", basis=Basis.EXPRESS)
    with app.store.write() as connection:
        ids = add_subscribers(connection, [(hashed, address.spelling, Profile("Ada"))], now=now)
        list_for(connection, newsletter, [ids[hashed]], now=now)
        record(connection, newsletter, [(ids[hashed], yes)], now=now)
    return Reader(ids[hashed], sign_unsubscribe(app.keys, ids[hashed], newsletter, SEND))


def private_page(app: App, reader: Reader) -> str:
    """The path of her private page, by a link that was mailed to the address she has now."""
    with app.store.write() as connection:
        hashed = connection.scalar(select(subscribers.c.address_hash).where(subscribers.c.id == reader.id))
        detail = str(hashed)[-16:]
        request = f"link:{reader.id}:{detail}"
        owe(connection, MailKind.PRIVATE_LINK, reader.id, "daily", request=request, now=app.now(), detail=detail)
        number = connection.scalar(select(service_mails.c.id).where(service_mails.c.request == request))
    return f"/me/{sign_ticket(app.keys, Purpose.PRIVATE, number or 0, app.now() + timedelta(hours=24))}"


def reason_left_out(app: App, reader: Reader) -> str | None:
    """Why the next send leaves the reader out; None when it mails them."""
    query = verdicts("daily", app.settings.newsletters["daily"], app.now(), subscriber_ids=[reader.id])
    with app.store.read() as connection:
        found: str | None = connection.execute(query).one().reason
    return found


def picture(kind: str) -> bytes:
    """A small real image."""
    out = io.BytesIO()
    Image.new("RGB", (8, 6), "#8c1d18").save(out, kind)
    return out.getvalue()


def make_build(html: str, *, images: dict[str, bytes] | None = None) -> Build:
    """A small build of the issue."""
    body = {
        "subject.txt": b"A wall\n",
        "preheader.txt": b"And what it means\n",
        "body.html": html.encode(),
        "body.txt": b"A wall\n",
    }
    manifest = {
        "newsletter": "daily",
        "issue": ISSUE,
        "date": ISSUE,
        "variants": {"default": {path: sha256(data) for path, data in body.items()}},
        "assets": {name: sha256(data) for name, data in (images or {}).items()},
    }
    assets = {f"assets/{sha256(data)}/{name}": data for name, data in (images or {}).items()}
    return Build({**body, **assets, "manifest.json": canonical_json(manifest)})


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def publish(app: App, build: Build, *, send: str = SEND, minute: int | None = None) -> Build:
    """Freeze a build and send it: first handed over in that minute of the hour, or not yet."""
    freeze(app.store, app.workspace, build, now=app.now())
    at = app.now()
    row = {
        "id": send,
        "newsletter": build.newsletter,
        "issue": build.issue,
        "build": build.hash,
        "state": "sending",
        "transport": "outbox",
        "person": "ed",
        "date_waived": False,
        "created_at": at,
        "first_handover_at": None if minute is None else at.replace(minute=minute),
    }
    with app.store.write() as connection:
        connection.execute(insert(sends), row)
        archive.publish(connection, sends_of.get(connection, send))
    return build


def image_paths(build: Build) -> list[str]:
    """Where the site serves a build's images."""
    return ["/a/" + path.removeprefix("assets/") for path in build.files if path.startswith("assets/")]


def every_row(app: App) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table."""
    with app.store.read() as connection:
        return {
            table.name: sorted((tuple(row) for row in connection.execute(select(table))), key=repr)
            for table in metadata.sorted_tables
        }


def reopen(root: Path, *changes: tuple[str, str], extra: str = "") -> App:
    """An app over a workspace whose config.toml was changed: each old text to the new one, and `extra` at its end."""
    config = root / "config.toml"
    text = config.read_text(encoding="utf-8")
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    config.write_text(text + extra, encoding="utf-8")
    return open_app(root, now=lambda: datetime(2024, 10, 10, 10, 30, tzinfo=UTC))
