"""Every table of the program. Each belongs to one stage, which alone writes it; any stage's queries may read it.

Times are aware and kept in UTC. Addresses and names stand in `subscribers` only; everything else holds ids and the
keyed hash of the normalised address.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    DateTime,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

Id = BigInteger().with_variant(Integer, "sqlite")


class Instant(TypeDecorator[datetime]):
    """An aware moment, stored in UTC. A naive one is a defect and is refused."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Any) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a moment without a time zone cannot be stored")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Any) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


# -- store ------------------------------------------------------------------------------------------------------------

keys = Table(
    "keys",
    metadata,
    Column("kind", String(16), primary_key=True),  # hash | signing
    Column("key_id", String(16), primary_key=True),
    Column("fingerprint", String(64), nullable=False),
    Column("first_seen", Instant, nullable=False),
)

# -- audience ---------------------------------------------------------------------------------------------------------

subscribers = Table(
    "subscribers",
    metadata,
    Column("id", Id, primary_key=True),
    Column("address_hash", String(80), nullable=False, unique=True),  # "<key id>:<hex HMAC-SHA256>" of the normal form
    Column("address", Text),  # the spelling given; NULL once erased
    Column("first_name", Text),
    Column("lang", String(35)),
    Column("created_at", Instant, nullable=False),
    Column("erased_at", Instant),
    Column("pending_address", Text),  # asked for as the new one, not yet confirmed from there
    Column("pending_hash", String(80)),
    Column("batch_id", Id),  # the import that made the row; undoing it blanks the row again
)

subscriptions = Table(
    "subscriptions",
    metadata,
    Column("newsletter", String(64), primary_key=True),
    Column("subscriber_id", Id, ForeignKey("subscribers.id"), primary_key=True),
    Column("created_at", Instant, nullable=False),
    Column("paused_until", Instant),  # the reader's wish; no matter of consent
    Column("batch_id", Id),
)

# Append-only: triggers refuse UPDATE and DELETE. Which entry decides: audience/consent.py.
consent = Table(
    "consent",
    metadata,
    Column("id", Id, primary_key=True),
    Column("subscriber_id", Id, ForeignKey("subscribers.id"), nullable=False),
    Column("newsletter", String(64), nullable=False),
    Column("purpose", String(16), nullable=False),  # send | open-tracking | click-tracking
    Column("event", String(16), nullable=False),  # requested | confirmed | imported | withdrawn | expired | reaffirmed
    Column("basis", String(16)),  # express | soft-opt-in | implied
    Column("ground", String(16)),  # what an implied basis rests on: purchase | inquiry
    Column("jurisdiction", String(16), nullable=False),
    Column("expires_at", Instant),  # when an implied basis lapses
    Column("wording_version", String(32)),
    Column("wording_hash", String(64)),
    Column("wording_lang", String(35)),
    Column("policy_version", String(32)),  # the policy in force when the person did it
    Column("source", Text, nullable=False),
    Column("batch_id", Id, ForeignKey("import_batches.id")),
    Column("actor", Text, nullable=False),
    Column("occurred_at", Instant, nullable=False),  # when the person did it
    Column("recorded_at", Instant, nullable=False),  # when we wrote it down
    Index("ix_consent_current", "newsletter", "purpose", "subscriber_id", "id"),
)

suppressions = Table(
    "suppressions",
    metadata,
    Column("id", Id, primary_key=True),
    Column("address_hash", String(80), nullable=False),
    Column("scope", String(64), nullable=False),  # a newsletter, or * for all
    Column("reason", String(16), nullable=False),  # hard-bounce | complaint | unsubscribe | erasure | manual | moved
    Column("source", Text, nullable=False),
    Column("at", Instant, nullable=False),
    Column("batch_id", Id),
    UniqueConstraint("address_hash", "scope", "reason"),
)

# A suppression that was lifted: who did it, and why.
suppression_lifts = Table(
    "suppression_lifts",
    metadata,
    Column("id", Id, primary_key=True),
    Column("address_hash", String(80), nullable=False, index=True),
    Column("scope", String(64), nullable=False),
    Column("reason", String(16), nullable=False),
    Column("suppressed_at", Instant, nullable=False),
    Column("actor", Text, nullable=False),
    Column("why", Text, nullable=False),
    Column("lifted_at", Instant, nullable=False),
)

import_batches = Table(
    "import_batches",
    metadata,
    Column("id", Id, primary_key=True),
    Column("newsletter", String(64), nullable=False),
    Column("file_name", Text, nullable=False),
    Column("file_sha256", String(64), nullable=False),
    Column("source", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("at", Instant, nullable=False),
    Column("counts", Text, nullable=False),  # JSON
    Column("undone_at", Instant),  # the entries of an undone batch no longer count
    Column("undone_by", Text),
)

# What identifies a person beside `subscribers`: deleted at erasure, and after its retention time.
proofs = Table(
    "proofs",
    metadata,
    Column("id", Id, primary_key=True),
    Column("subscriber_id", Id, ForeignKey("subscribers.id"), nullable=False, index=True),
    Column("consent_id", Id, ForeignKey("consent.id"), index=True),  # the entry it proves
    Column("kind", String(24), nullable=False),  # visit | former-address | before-import
    Column("network_address", Text),
    Column("agent", Text),
    Column("detail", Text),  # a former address; the profile before an import, as JSON
    Column("at", Instant, nullable=False),
    Column("delete_after", Instant, nullable=False, index=True),
    sqlite_autoincrement=True,  # a link may name a row: its number is never given out twice
)

# Every text readers agreed to, word for word, by its hash: what the ledger's `wording_hash` stands for.
wordings = Table(
    "wordings",
    metadata,
    Column("hash", String(64), primary_key=True),
    Column("newsletter", String(64), nullable=False),
    Column("version", String(32), nullable=False),
    Column("lang", String(35), nullable=False),
    Column("text", Text, nullable=False),
    Column("first_used", Instant, nullable=False),
)

# A request to subscribe from a form, until it is confirmed or its time is over.
signups = Table(
    "signups",
    metadata,
    Column("id", Id, primary_key=True),
    Column("subscriber_id", Id, ForeignKey("subscribers.id"), nullable=False, index=True),
    Column("newsletters", Text, nullable=False),  # JSON list of names
    Column("lang", String(35), nullable=False),
    Column("source", Text, nullable=False),  # which form
    Column("requested_at", Instant, nullable=False, index=True),
    Column("confirmed_at", Instant),
    sqlite_autoincrement=True,  # a link may name a row: its number is never given out twice
)

# How often a form was used, by keyed hash of the address, network or domain, and by stretch of time.
form_uses = Table(
    "form_uses",
    metadata,
    Column("bucket", String(100), primary_key=True),
    Column("window_start", Instant, primary_key=True),
    Column("uses", Integer, nullable=False),
)

# -- editorial --------------------------------------------------------------------------------------------------------

# One vote a reader and poll; changing one's mind replaces it.
votes = Table(
    "votes",
    metadata,
    Column("issue", Text, primary_key=True),
    Column("poll", String(64), primary_key=True),
    Column("subscriber_id", Id, ForeignKey("subscribers.id"), primary_key=True),
    Column("choice", Integer, nullable=False),  # the option's number, from 1
    Column("at", Instant, nullable=False),
    Column("suspect", String(24)),  # why it looks like a machine's: shown, and not counted
    Index("ix_votes_tally", "issue", "poll", "choice"),
)

# What a closed poll came to, frozen: later erasures change no printed number.
poll_results = Table(
    "poll_results",
    metadata,
    Column("issue", Text, primary_key=True),
    Column("poll", String(64), primary_key=True),
    Column("closed_at", Instant, nullable=False),
    Column("counts", Text, nullable=False),  # JSON: votes by option, in order
    Column("suspect", Integer, nullable=False),  # left out
)

# A mistake in an issue that went out, and what is right.
corrections = Table(
    "corrections",
    metadata,
    Column("id", Id, primary_key=True),
    Column("issue", Text, nullable=False, index=True),
    Column("was", Text, nullable=False),
    Column("is", Text, nullable=False),
    Column("person", Text, nullable=False),
    Column("at", Instant, nullable=False),
)

# What was last heard of a feed, for conditional requests.
feeds = Table(
    "feeds",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("url", Text, nullable=False),
    Column("etag", Text),
    Column("last_modified", Text),
    Column("pulled_at", Instant, nullable=False),
)

# Which story of a feed became which file; an edited story keeps its row.
feed_entries = Table(
    "feed_entries",
    metadata,
    Column("feed", String(64), primary_key=True),
    Column("identity", String(64), primary_key=True),  # SHA-256 of the feed's own id
    Column("story", Text, nullable=False),
    Column("digest", String(64), nullable=False),  # of what the feed said
    Column("file_sha256", String(64), nullable=False),  # of the file as written: differs once an editor worked on it
    Column("pulled_at", Instant, nullable=False),
)

# The index of the library: what the files in issues/ said when they were last looked at. A cache, one part for each
# `issues/` folder that uses this database (a tree): dropping a tree changes no answer. The words that stories are
# found by lie beside it in `library_words`, each database in its own way (store/fulltext.py).
library_trees = Table(
    "library_trees",
    metadata,
    Column("tree", String(32), primary_key=True),  # the machine and the folder, hashed
    Column("used_on", Date, nullable=False),
)

library_issues = Table(
    "library_issues",
    metadata,
    Column("tree", String(32), primary_key=True),
    Column("issue", Text, primary_key=True),
    Column("stamp", Text, nullable=False),  # of its issue.toml: size, times, inode; "" when it must be read again
    Column("sha256", String(64), nullable=False),
    Column("newsletter", Text),  # NULL, as the date, where no glance tells
    Column("date", Date),
    Column("subject", Text, nullable=False),
    Column("selects", Boolean, nullable=False),  # whether a block chooses stories by a query
    Column("data", Text, nullable=False),  # JSON
    Column("problem", Text),  # why it cannot be used
)

library_stories = Table(
    "library_stories",
    metadata,
    Column("id", Id, primary_key=True),
    Column("tree", String(32), nullable=False),
    Column("story", Text, nullable=False),
    Column("folder", Text, nullable=False),
    Column("stamp", Text, nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("title", Text, nullable=False),
    Column("day", Date),  # its own date, where it has one
    Column("data", Text, nullable=False),  # JSON
    Column("problem", Text),
    UniqueConstraint("tree", "story"),
    Index("ix_library_stories_folder", "tree", "folder"),
)

# What the files name: a story its tags and questions, an issue its stories.
library_names = Table(
    "library_names",
    metadata,
    Column("tree", String(32), primary_key=True),
    Column("kind", String(8), primary_key=True),
    Column("name", String(210), primary_key=True),
    Column("file", Text, primary_key=True),  # a story or an issue
    Index("ix_library_names_file", "tree", "file"),
)

# Which stories a build that went out carried, by its manifest; the story "" says that the build has been looked at.
library_builds = Table(
    "library_builds",
    metadata,
    Column("story", String(210), primary_key=True),
    Column("build", String(64), primary_key=True),
    Index("ix_library_builds_build", "build"),
)

# -- rendering --------------------------------------------------------------------------------------------------------

builds = Table(
    "builds",
    metadata,
    Column("hash", String(64), primary_key=True),
    Column("newsletter", String(64), nullable=False),
    Column("issue", Text, nullable=False),
    Column("date", Date, nullable=False),
    Column("built_at", Instant, nullable=False),
    Index("ix_builds_issue", "issue", "built_at"),
)

build_files = Table(
    "build_files",
    metadata,
    Column("build", String(64), ForeignKey("builds.hash"), primary_key=True),
    Column("path", Text, primary_key=True),  # as in the build's folder: body.html, manifest.json, assets/wall.jpg
    Column("sha256", String(64), nullable=False),
    Column("data", LargeBinary, nullable=False),
    Index("ix_build_files_sha256", "sha256"),
)

# -- preflight --------------------------------------------------------------------------------------------------------

waivers = Table(
    "waivers",
    metadata,
    Column("build", String(64), ForeignKey("builds.hash"), primary_key=True),
    Column("rule", String(32), primary_key=True),
    Column("person", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("at", Instant, nullable=False),
)

# -- sending ----------------------------------------------------------------------------------------------------------

approvals = Table(
    "approvals",
    metadata,
    Column("build", String(64), ForeignKey("builds.hash"), primary_key=True),
    Column("person", Text, primary_key=True),
    Column("at", Instant, nullable=False),
)

sends = Table(
    "sends",
    metadata,
    Column("id", String(16), primary_key=True),
    Column("newsletter", String(64), nullable=False),
    Column("issue", Text, nullable=False),
    Column("build", String(64), ForeignKey("builds.hash"), nullable=False),
    # planned | preparing | sending | paused | held | done | cancelled
    Column("state", String(16), nullable=False),
    Column("state_reason", Text),
    Column("transport", String(16), nullable=False),
    Column("scope", String(120)),  # which account of that transport
    Column("segment", String(64)),  # only readers of this segment; NULL for all
    Column("person", Text, nullable=False),
    Column("date_waived", Boolean, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("first_handover_at", Instant),
    Column("settled_at", Instant),
    Column("priority", Integer, nullable=False, server_default="0"),  # breaking news goes before the others
    Column("detached", Boolean, nullable=False, server_default="0"),  # `run` or a worker goes on with it by itself
    Column("resume_at", Instant),  # held until then: a quota that comes back, a provider that was away
    Column("readers_of", Text),  # only those who had, or may have had, this issue: a correction
    Index("ix_sends_issue", "issue"),
    Index("ix_sends_state", "state"),
    Index("ix_sends_newsletter", "newsletter", "first_handover_at"),
)

deliveries = Table(
    "deliveries",
    metadata,
    Column("send_id", String(16), ForeignKey("sends.id"), primary_key=True),
    Column("subscriber_id", Id, ForeignKey("subscribers.id"), primary_key=True),
    Column("batch", Integer, nullable=False),
    Column("variant", String(32), nullable=False, server_default="default"),
    Column("state", String(16), nullable=False),
    Column("reason", Text),  # why excluded or refused, or what made it uncertain
    Column("attempt", Integer, nullable=False, server_default="0"),
    Column("owner", String(32)),  # who has it in flight
    Column("message_id", Text),
    Column("handed_over_at", Instant),
    Column("tracking", String(16), nullable=False, server_default="none"),  # none | opens | clicks | both
    Column("outcome", String(16), nullable=False, server_default="none"),
    Column("outcome_at", Instant),
    Column("outcome_detail", Text),
    CheckConstraint("state IN ('pending', 'in_flight', 'uncertain', 'accepted', 'refused', 'excluded')", name="state"),
    Index("ix_deliveries_work", "send_id", "state", "batch"),
    Index("ix_deliveries_subscriber", "subscriber_id"),
)

# When a build goes out: a local time and its zone, which is what a person set; `due_at` is reckoned from them.
schedules = Table(
    "schedules",
    metadata,
    Column("id", Id, primary_key=True),
    Column("newsletter", String(64), nullable=False),
    Column("issue", Text, nullable=False),
    Column("build", String(64), ForeignKey("builds.hash"), nullable=False),
    Column("local_at", String(16), nullable=False),  # 2024-10-10T06:30
    Column("zone", String(64), nullable=False),
    Column("done_by", Boolean, nullable=False),  # the local time is when the last reader should have it
    Column("due_at", Instant, nullable=False),
    Column("late_until", Instant),  # sent until then when late, afterwards held
    Column("priority", Integer, nullable=False, server_default="0"),
    Column("segment", String(64)),
    Column("readers_of", Text),
    Column("rest", Boolean, nullable=False, server_default="0"),
    Column("date_waived", Boolean, nullable=False, server_default="0"),
    Column("person", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("state", String(16), nullable=False),  # waiting | begun | held | cancelled
    Column("state_reason", Text),
    Column("send_id", String(16), ForeignKey("sends.id")),
    Index("ix_schedules_due", "state", "due_at"),
    Index("ix_schedules_issue", "issue"),
)

# Days on which a newsletter's rhythm rests once.
schedule_skips = Table(
    "schedule_skips",
    metadata,
    Column("newsletter", String(64), primary_key=True),
    Column("date", Date, primary_key=True),
    Column("person", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("at", Instant, nullable=False),
)

# What a person decided about readers in doubt.
resolutions = Table(
    "resolutions",
    metadata,
    Column("id", Id, primary_key=True),
    Column("send_id", String(16), ForeignKey("sends.id"), nullable=False, index=True),
    Column("choice", String(16), nullable=False),  # resend | leave
    Column("readers", Integer, nullable=False),
    Column("person", Text, nullable=False),
    Column("at", Instant, nullable=False),
)

# Mail of a build to colleagues: tests, and the seeds of a send. No reader, no part of any account.
test_mails = Table(
    "test_mails",
    metadata,
    Column("id", Id, primary_key=True),
    Column("request", String(160), nullable=False, unique=True),
    Column("kind", String(8), nullable=False),  # test | seed
    Column("build", String(64), ForeignKey("builds.hash"), nullable=False),
    Column("variant", String(32), nullable=False),
    Column("send_id", String(16)),  # of a seed
    Column("address_hash", String(80), nullable=False),
    Column("state", String(16), nullable=False),  # in_flight | accepted | refused | uncertain
    Column("reason", Text),
    Column("message_id", Text),
    Column("person", Text, nullable=False),
    Column("at", Instant, nullable=False),
    sqlite_autoincrement=True,
)

# PostgreSQL: processes that may have readers in flight, each with a lease it renews. On SQLite they hold file locks.
owners = Table(
    "owners",
    metadata,
    Column("name", String(32), primary_key=True),
    Column("host", Text, nullable=False),
    Column("process", Integer, nullable=False),
    Column("since", Float, nullable=False),  # seconds since 1970 on the database's clock
    Column("until", Float, nullable=False),
)

# A newsletter's sends are stopped until a person has looked: too many bounces or complaints.
newsletter_stops = Table(
    "newsletter_stops",
    metadata,
    Column("id", Id, primary_key=True),
    Column("newsletter", String(64), nullable=False, index=True),
    Column("send_id", String(16)),  # whose figures they were
    Column("reason", Text, nullable=False),
    Column("at", Instant, nullable=False),
    Column("lifted_at", Instant),
    Column("lifted_by", Text),
    Column("why", Text),
)

# Mail to one person because of something she, or the law, asked for. `request` makes it once per request.
service_mails = Table(
    "service_mails",
    metadata,
    Column("id", Id, primary_key=True),
    Column("request", String(160), nullable=False, unique=True),
    Column("kind", String(24), nullable=False),
    Column("subscriber_id", Id, ForeignKey("subscribers.id"), nullable=False, index=True),
    Column("newsletter", String(64), nullable=False),
    Column("reference", Id),  # the row it is about: a sign-up, a proof, a ledger entry
    Column("detail", Text),  # a policy's version; never anything that identifies a person
    Column("state", String(16), nullable=False),  # queued | in_flight | accepted | refused | uncertain
    Column("reason", Text),
    Column("attempt", Integer, nullable=False, server_default="0"),
    Column("owner", String(32)),
    Column("message_id", Text),
    Column("queued_at", Instant, nullable=False),
    Column("handed_over_at", Instant),
    CheckConstraint("state IN ('queued', 'in_flight', 'uncertain', 'accepted', 'refused')", name="state"),
    Index("ix_service_mails_work", "state", "id"),
    sqlite_autoincrement=True,
)

# What the archive shows of an issue that went out, and how issues hang together.
archive = Table(
    "archive",
    metadata,
    Column("issue", Text, primary_key=True),
    Column("newsletter", String(64), nullable=False),
    Column("build", String(64), ForeignKey("builds.hash"), nullable=False),
    Column("date", Date, nullable=False),
    Column("subject", Text, nullable=False),
    Column("preheader", Text, nullable=False),
    Column("published_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
    Index("ix_archive_newsletter", "newsletter", "published_at"),
)

archive_links = Table(
    "archive_links",
    metadata,
    Column("id", Id, primary_key=True),
    Column("from_issue", Text, ForeignKey("archive.issue"), nullable=False, index=True),
    Column("to_issue", Text, nullable=False, index=True),
    Column("kind", String(16), nullable=False),  # answers | corrects | follows
    Column("words", Text, nullable=False),  # JSON: what is said about it
)

# One row per SES account and Region, shared by every process that sends.
pace = Table(
    "pace",
    metadata,
    Column("scope", String(120), primary_key=True),
    Column("next_slot", Float, nullable=False),  # seconds since 1970 on the database's clock
    Column("rate", Float, nullable=False),  # recipients a second
)

# -- feedback ---------------------------------------------------------------------------------------------------------

raw_events = Table(
    "raw_events",
    metadata,
    Column("id", Id, primary_key=True),
    Column("dedup", String(64), nullable=False, unique=True),
    Column("body", Text, nullable=False),
    Column("received_at", Instant, nullable=False),
)

events = Table(
    "events",
    metadata,
    Column("raw_id", Id, ForeignKey("raw_events.id"), primary_key=True),
    Column("kind", String(16), nullable=False),
    Column("send_id", String(16)),
    Column("subscriber_id", Id),
    Column("attempt", Integer),
    Column("message_id", Text),
    Column("occurred_at", Instant, nullable=False),
    Column("applied", String(32), nullable=False),  # what it did: settled, outcome, nothing, unknown-delivery
    Column("detail", String(80)),  # in the provider's words, never the receiver's: Transient/MailboxFull
    Index("ix_events_delivery", "send_id", "subscriber_id"),
    Index("ix_events_subscriber", "subscriber_id"),
)

# Opens and clicks of readers who agreed to be measured; who else fetches links is told apart. Nothing hangs on them.
tracked = Table(
    "tracked",
    metadata,
    Column("raw_id", Id, ForeignKey("raw_events.id"), primary_key=True),
    Column("kind", String(8), nullable=False),  # open | click
    Column("send_id", String(16), nullable=False),
    Column("subscriber_id", Id, nullable=False, index=True),
    Column("link", Text),  # as the build has it, so without anything of the reader's
    Column("block", Text),  # where in the issue it stands
    Column("by", String(16), nullable=False),  # person | prefetch | scanner
    Column("at", Instant, nullable=False),
    Index("ix_tracked_send", "send_id", "kind", "by"),
)

feed_positions = Table(
    "feed_positions",
    metadata,
    Column("feed", Text, primary_key=True),
    Column("position", Text, nullable=False),
)
