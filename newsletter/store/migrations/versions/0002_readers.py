"""Readers: sign-up to erasure, service mail, votes, the archive; feeds."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "feeds",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("etag", sa.Text(), nullable=True),
        sa.Column("last_modified", sa.Text(), nullable=True),
        sa.Column("pulled_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_feeds")),
    )
    op.create_table(
        "feed_entries",
        sa.Column("feed", sa.String(length=64), nullable=False),
        sa.Column("identity", sa.String(length=64), nullable=False),
        sa.Column("story", sa.Text(), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("file_sha256", sa.String(length=64), nullable=False),
        sa.Column("pulled_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("feed", "identity", name=op.f("pk_feed_entries")),
    )
    op.create_table(
        "form_uses",
        sa.Column("bucket", sa.String(length=100), nullable=False),
        sa.Column("window_start", sa.DateTime(timezone=True), nullable=False),
        sa.Column("uses", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("bucket", "window_start", name=op.f("pk_form_uses")),
    )
    op.create_table(
        "suppression_lifts",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("address_hash", sa.String(length=80), nullable=False),
        sa.Column("scope", sa.String(length=64), nullable=False),
        sa.Column("reason", sa.String(length=16), nullable=False),
        sa.Column("suppressed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("lifted_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_suppression_lifts")),
    )
    op.create_index(op.f("ix_suppression_lifts_address_hash"), "suppression_lifts", ["address_hash"], unique=False)
    op.create_table(
        "wordings",
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("newsletter", sa.String(length=64), nullable=False),
        sa.Column("version", sa.String(length=32), nullable=False),
        sa.Column("lang", sa.String(length=35), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("first_used", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("hash", name=op.f("pk_wordings")),
    )
    op.create_table(
        "archive",
        sa.Column("issue", sa.Text(), nullable=False),
        sa.Column("newsletter", sa.String(length=64), nullable=False),
        sa.Column("build", sa.String(length=64), nullable=False),
        sa.Column("date", sa.Date(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("preheader", sa.Text(), nullable=False),
        sa.Column("published_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["build"], ["builds.hash"], name=op.f("fk_archive_build")),
        sa.PrimaryKeyConstraint("issue", name=op.f("pk_archive")),
    )
    op.create_index("ix_archive_newsletter", "archive", ["newsletter", "published_at"], unique=False)
    op.create_table(
        "service_mails",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("request", sa.String(length=160), nullable=False),
        sa.Column("kind", sa.String(length=24), nullable=False),
        sa.Column("subscriber_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("newsletter", sa.String(length=64), nullable=False),
        sa.Column("reference", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("detail", sa.Text(), nullable=True),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("attempt", sa.Integer(), server_default="0", nullable=False),
        sa.Column("owner", sa.String(length=32), nullable=True),
        sa.Column("message_id", sa.Text(), nullable=True),
        sa.Column("queued_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("handed_over_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "state IN ('queued', 'in_flight', 'uncertain', 'accepted', 'refused')", name=op.f("ck_service_mails_state")
        ),
        sa.ForeignKeyConstraint(["subscriber_id"], ["subscribers.id"], name=op.f("fk_service_mails_subscriber_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_service_mails")),
        sa.UniqueConstraint("request", name=op.f("uq_service_mails_request")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_service_mails_subscriber_id"), "service_mails", ["subscriber_id"], unique=False)
    op.create_index("ix_service_mails_work", "service_mails", ["state", "id"], unique=False)
    op.create_table(
        "signups",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("subscriber_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("newsletters", sa.Text(), nullable=False),
        sa.Column("lang", sa.String(length=35), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("requested_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("confirmed_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["subscriber_id"], ["subscribers.id"], name=op.f("fk_signups_subscriber_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_signups")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_signups_requested_at"), "signups", ["requested_at"], unique=False)
    op.create_index(op.f("ix_signups_subscriber_id"), "signups", ["subscriber_id"], unique=False)
    op.create_table(
        "votes",
        sa.Column("issue", sa.Text(), nullable=False),
        sa.Column("poll", sa.String(length=64), nullable=False),
        sa.Column("subscriber_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("choice", sa.Integer(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["subscriber_id"], ["subscribers.id"], name=op.f("fk_votes_subscriber_id")),
        sa.PrimaryKeyConstraint("issue", "poll", "subscriber_id", name=op.f("pk_votes")),
    )
    op.create_index("ix_votes_tally", "votes", ["issue", "poll", "choice"], unique=False)
    op.create_table(
        "archive_links",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("from_issue", sa.Text(), nullable=False),
        sa.Column("to_issue", sa.Text(), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("words", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["from_issue"], ["archive.issue"], name=op.f("fk_archive_links_from_issue")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_archive_links")),
    )
    op.create_index(op.f("ix_archive_links_from_issue"), "archive_links", ["from_issue"], unique=False)
    op.create_index(op.f("ix_archive_links_to_issue"), "archive_links", ["to_issue"], unique=False)
    op.create_table(
        "proofs",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("subscriber_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("consent_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("kind", sa.String(length=24), nullable=False),
        sa.Column("network_address", sa.Text(), nullable=True),
        sa.Column("agent", sa.Text(), nullable=True),
        sa.Column("detail", sa.Text(), nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("delete_after", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["consent_id"], ["consent.id"], name=op.f("fk_proofs_consent_id")),
        sa.ForeignKeyConstraint(["subscriber_id"], ["subscribers.id"], name=op.f("fk_proofs_subscriber_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_proofs")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_proofs_consent_id"), "proofs", ["consent_id"], unique=False)
    op.create_index(op.f("ix_proofs_delete_after"), "proofs", ["delete_after"], unique=False)
    op.create_index(op.f("ix_proofs_subscriber_id"), "proofs", ["subscriber_id"], unique=False)
    op.add_column("consent", sa.Column("ground", sa.String(length=16), nullable=True))
    op.add_column("consent", sa.Column("policy_version", sa.String(length=32), nullable=True))
    op.create_index("ix_events_subscriber", "events", ["subscriber_id"], unique=False)
    op.add_column("import_batches", sa.Column("undone_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("import_batches", sa.Column("undone_by", sa.Text(), nullable=True))
    op.add_column("sends", sa.Column("scope", sa.String(length=120), nullable=True))
    op.add_column("sends", sa.Column("segment", sa.String(length=64), nullable=True))
    op.add_column("subscribers", sa.Column("pending_address", sa.Text(), nullable=True))
    op.add_column("subscribers", sa.Column("pending_hash", sa.String(length=80), nullable=True))
    op.add_column(
        "subscribers", sa.Column("batch_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True)
    )
    op.add_column("subscriptions", sa.Column("paused_until", sa.DateTime(timezone=True), nullable=True))
    op.add_column(
        "subscriptions", sa.Column("batch_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True)
    )
    op.add_column(
        "suppressions", sa.Column("batch_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True)
    )


def downgrade() -> None:
    raise NotImplementedError("a newsletter's ledger is never migrated backwards: restore a backup")
