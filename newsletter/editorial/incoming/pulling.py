"""Pulling a feed: its new stories become files in the inbox, its edited ones are brought up to date.

A file an editor worked on, or moved into an issue, is hers: it is never touched again, and she is told that its source
changed. Which story is which the feed's own ids say, so an edit is no second story.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

from PIL import Image
from sqlalchemy import Connection, Row, select

from newsletter.editorial.incoming.feeds import FeedEntry, read_feed
from newsletter.editorial.incoming.fetching import Fetcher
from newsletter.editorial.incoming.intake import Intake, Origin, slug, take_in
from newsletter.editorial.incoming.repairs import Repair
from newsletter.editorial.library import INBOX, SUFFIX
from newsletter.editorial.writing import EditedMeanwhile, write_new, write_over
from newsletter.errors import InputError, Refused
from newsletter.settings import FeedSettings
from newsletter.store.engine import Store
from newsletter.store.tables import feed_entries, feeds
from newsletter.store.upsert import upsert

MOST_BYTES = 10_000_000
_SUFFIXES = {"JPEG": ".jpg", "PNG": ".png", "GIF": ".gif"}
_MOST_PIXELS = 50_000_000


@dataclass
class Pulled:
    """What a pull did. Stories are named by id."""

    feed: str
    new: list[str] = field(default_factory=list)
    updated: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)  # edited at the source, but an editor's own by now
    unchanged: int = 0
    not_modified: bool = False
    repairs: dict[str, tuple[Repair, ...]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


def pull(store: Store, issues: Path, name: str, settings: FeedSettings, *, fetcher: Fetcher, now: datetime) -> Pulled:
    """Pull one feed. Raises Refused when it cannot be fetched or read; a single bad story is in `problems`."""
    with store.read() as connection:
        before = connection.execute(select(feeds).where(feeds.c.name == name, feeds.c.url == settings.url)).first()
        rows = connection.execute(select(feed_entries).where(feed_entries.c.feed == name))
        known = {row.identity: Known(row.story, row.digest, row.file_sha256) for row in rows}
    answer = fetcher.get(settings.url, _conditions(before))
    done = Pulled(name, not_modified=answer.status == 304)
    if done.not_modified:
        return done
    found = read_feed(answer.body, url=answer.url, content_type=answer.headers.get("content-type", ""))
    (issues / INBOX).mkdir(parents=True, exist_ok=True)
    for entry in found:
        _take(store, _Pull(issues, name, settings, fetcher, now, done), entry, known)
    row = {
        "name": name,
        "url": settings.url,
        "etag": answer.headers.get("etag"),
        "last_modified": answer.headers.get("last-modified"),
        "pulled_at": now,
    }
    if not done.problems and len(done.new) < settings.limit:  # else the rest, or the failed, are asked for again
        with store.write() as connection:
            upsert(connection, feeds, row, key=["name"], changes={k: v for k, v in row.items() if k != "name"})
    return done


@dataclass(frozen=True)
class Known:
    """A story of the feed that was taken in: its file, what the feed said, and what was written."""

    story: str
    digest: str
    file_sha256: str

    def untouched(self, issues: Path) -> bytes | None:
        """The file, if it still is as it was written. One that was moved or deleted is an editor's decision."""
        try:
            data = (issues / f"{self.story}{SUFFIX}").read_bytes()
        except OSError:
            return None
        return data if hashlib.sha256(data).hexdigest() == self.file_sha256 else None


@dataclass(frozen=True)
class _Pull:
    """One pull under way."""

    issues: Path
    feed: str
    settings: FeedSettings
    fetcher: Fetcher
    now: datetime
    done: Pulled


def _conditions(before: Row[tuple[object, ...]] | None) -> dict[str, str]:
    """RFC 9110: what we have, so that an unchanged feed need not be sent."""
    if before is None:
        return {}
    given = {"If-None-Match": before.etag, "If-Modified-Since": before.last_modified}
    return {name: value for name, value in given.items() if value}


def _take(store: Store, pull: _Pull, entry: FeedEntry, known: Mapping[str, Known]) -> None:
    identity = hashlib.sha256(entry.identity.encode()).hexdigest()
    before, done = known.get(identity), pull.done
    if before is None and len(done.new) >= pull.settings.limit:
        return
    if before is not None and before.digest == entry.digest:
        done.unchanged += 1
        return
    read = before.untouched(pull.issues) if before else None
    if before is not None and read is None:
        done.kept.append(before.story)
        after = replace(before, digest=entry.digest)
    else:
        try:
            after = _written(pull, entry, before, read=read)
        except (EditedMeanwhile, FileExistsError):  # this very moment; the next pull sees what it is
            done.problems.append(f"{entry.title}: somebody else wrote its file just now; theirs is kept.")
            return
        except InputError as error:
            done.problems.append(f"{entry.title or entry.url}: {error}")
            return
        (done.updated if before else done.new).append(after.story)
    with store.write() as connection:
        _remember(connection, pull, identity, after)


def _written(pull: _Pull, entry: FeedEntry, before: Known | None, *, read: bytes | None) -> Known:
    """The entry as a file, in place of the bytes read. Raises InputError when there is no story in it."""
    intake = take_in(entry.html or entry.title, _origin(pull, entry), is_html=True)
    inbox = pull.issues / INBOX
    path = pull.issues / f"{before.story}{SUFFIX}" if before else _free(inbox, f"{pull.feed}-{slug(entry.title)}")
    data = _with_picture(pull, entry, intake, path).encode()
    if read is None:
        write_new(path, data)
    else:
        write_over(path, data, read=read)
    story = f"{path.parent.name}/{path.stem}"
    pull.done.repairs[story] = intake.repairs
    return Known(story, entry.digest, hashlib.sha256(data).hexdigest())


def _origin(pull: _Pull, entry: FeedEntry) -> Origin:
    day = entry.published.date() if entry.published else None
    return Origin(pull.settings.url, title=entry.title, source=pull.settings.source, url=entry.url, day=day)


def _with_picture(pull: _Pull, entry: FeedEntry, intake: Intake, target: Path) -> str:
    """The file's text, its picture fetched, checked and laid beside it; without one when that fails, which is said."""
    if not entry.image:
        return intake.file
    try:
        picture = pull.fetcher.get(entry.image).body
        path = _place_for(picture, target.with_suffix(_kind(picture, entry.image)))
    except Refused as error:
        pull.done.problems.append(f"{intake.title}: its picture was left out: {error}")
        return intake.file
    # The description is for a person who has seen the picture to write; until then the checks ask for it.
    image = f'\n[image]\nsrc = "{path.name}"\nalt = ""\n'
    return f"+++\n{intake.front}{image}+++\n\n{intake.text}"


def _kind(data: bytes, url: str) -> str:
    """The suffix of a picture mail can show. Raises Refused for anything else."""
    try:
        with Image.open(io.BytesIO(data), formats=list(_SUFFIXES)) as image:
            if image.width * image.height > _MOST_PIXELS:
                raise Refused(f"{url} has {image.width} by {image.height} pixels.")
            image.verify()
            return _SUFFIXES[str(image.format)]
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        raise Refused(f"{url} is not a JPEG, PNG or GIF.") from None


def _free(folder: Path, name: str) -> Path:
    """A file of that name that is not there yet."""
    tries = (f"{name}{f'-{number}' if number > 1 else ''}" for number in range(1, 1_000))
    return next(path for each in tries if not (path := folder / f"{each[:90]}{SUFFIX}").exists())


def _place_for(picture: bytes, path: Path) -> Path:
    """The picture as a file of that name; under another where a different one, perhaps cropped, has the name."""
    for number in range(1, 1_000):
        place = path.with_stem(f"{path.stem}-{number}") if number > 1 else path
        try:
            write_new(place, picture)
        except FileExistsError:
            if place.read_bytes() != picture:
                continue
        return place
    raise Refused(f"{path} is there a thousand times.")


def _remember(connection: Connection, pull: _Pull, identity: str, now_known: Known) -> None:
    changes = {"digest": now_known.digest, "file_sha256": now_known.file_sha256, "pulled_at": pull.now}
    row = {"feed": pull.feed, "identity": identity, "story": now_known.story, **changes}
    upsert(connection, feed_entries, row, key=["feed", "identity"], changes=changes)
