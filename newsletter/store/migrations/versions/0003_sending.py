"""Sending on the minute: schedules, leases, tests, what comes back; poll results and corrections."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    _workers()
    op.create_table(
        "corrections",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("issue", sa.Text(), nullable=False),
        sa.Column("was", sa.Text(), nullable=False),
        sa.Column("is", sa.Text(), nullable=False),
        sa.Column("person", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_corrections")),
    )
    op.create_index(op.f("ix_corrections_issue"), "corrections", ["issue"], unique=False)

    op.create_table(
        "newsletter_stops",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("newsletter", sa.String(length=64), nullable=False),
        sa.Column("send_id", sa.String(length=16), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("lifted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("lifted_by", sa.Text(), nullable=True),
        sa.Column("why", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_newsletter_stops")),
    )
    op.create_index(op.f("ix_newsletter_stops_newsletter"), "newsletter_stops", ["newsletter"], unique=False)

    op.create_table(
        "owners",
        sa.Column("name", sa.String(length=32), nullable=False),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("process", sa.Integer(), nullable=False),
        sa.Column("since", sa.Float(), nullable=False),
        sa.Column("until", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_owners")),
    )
    op.create_table(
        "poll_results",
        sa.Column("issue", sa.Text(), nullable=False),
        sa.Column("poll", sa.String(length=64), nullable=False),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("counts", sa.Text(), nullable=False),
        sa.Column("suspect", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("issue", "poll", name=op.f("pk_poll_results")),
    )
    op.create_table(
        "schedule_skips",
        sa.Column("newsletter", sa.String(length=64), nullable=False),
        sa.Column("date", sa.Date(), nullable=False),
        sa.Column("person", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("newsletter", "date", name=op.f("pk_schedule_skips")),
    )
    op.create_table(
        "test_mails",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("request", sa.String(length=160), nullable=False),
        sa.Column("kind", sa.String(length=8), nullable=False),
        sa.Column("build", sa.String(length=64), nullable=False),
        sa.Column("variant", sa.String(length=32), nullable=False),
        sa.Column("send_id", sa.String(length=16), nullable=True),
        sa.Column("address_hash", sa.String(length=80), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("message_id", sa.Text(), nullable=True),
        sa.Column("person", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["build"], ["builds.hash"], name=op.f("fk_test_mails_build")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_test_mails")),
        sa.UniqueConstraint("request", name=op.f("uq_test_mails_request")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "tracked",
        sa.Column("raw_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("kind", sa.String(length=8), nullable=False),
        sa.Column("send_id", sa.String(length=16), nullable=False),
        sa.Column("subscriber_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("link", sa.Text(), nullable=True),
        sa.Column("block", sa.Text(), nullable=True),
        sa.Column("by", sa.String(length=16), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["raw_id"], ["raw_events.id"], name=op.f("fk_tracked_raw_id")),
        sa.PrimaryKeyConstraint("raw_id", name=op.f("pk_tracked")),
    )
    op.create_index("ix_tracked_send", "tracked", ["send_id", "kind", "by"], unique=False)
    op.create_index(op.f("ix_tracked_subscriber_id"), "tracked", ["subscriber_id"], unique=False)

    op.create_table(
        "resolutions",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("send_id", sa.String(length=16), nullable=False),
        sa.Column("choice", sa.String(length=16), nullable=False),
        sa.Column("readers", sa.Integer(), nullable=False),
        sa.Column("person", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["send_id"], ["sends.id"], name=op.f("fk_resolutions_send_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_resolutions")),
    )
    op.create_index(op.f("ix_resolutions_send_id"), "resolutions", ["send_id"], unique=False)

    op.create_table(
        "schedules",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("newsletter", sa.String(length=64), nullable=False),
        sa.Column("issue", sa.Text(), nullable=False),
        sa.Column("build", sa.String(length=64), nullable=False),
        sa.Column("local_at", sa.String(length=16), nullable=False),
        sa.Column("zone", sa.String(length=64), nullable=False),
        sa.Column("done_by", sa.Boolean(), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("late_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("priority", sa.Integer(), server_default="0", nullable=False),
        sa.Column("segment", sa.String(length=64), nullable=True),
        sa.Column("readers_of", sa.Text(), nullable=True),
        sa.Column("rest", sa.Boolean(), server_default="0", nullable=False),
        sa.Column("date_waived", sa.Boolean(), server_default="0", nullable=False),
        sa.Column("person", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("state_reason", sa.Text(), nullable=True),
        sa.Column("send_id", sa.String(length=16), nullable=True),
        sa.ForeignKeyConstraint(["build"], ["builds.hash"], name=op.f("fk_schedules_build")),
        sa.ForeignKeyConstraint(["send_id"], ["sends.id"], name=op.f("fk_schedules_send_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_schedules")),
    )
    op.create_index("ix_schedules_due", "schedules", ["state", "due_at"], unique=False)
    op.create_index("ix_schedules_issue", "schedules", ["issue"], unique=False)

    op.add_column("deliveries", sa.Column("tracking", sa.String(length=16), server_default="none", nullable=False))

    op.add_column("events", sa.Column("detail", sa.String(length=80), nullable=True))

    op.add_column("sends", sa.Column("priority", sa.Integer(), server_default="0", nullable=False))
    op.add_column("sends", sa.Column("detached", sa.Boolean(), server_default="0", nullable=False))
    op.add_column("sends", sa.Column("resume_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("sends", sa.Column("readers_of", sa.Text(), nullable=True))
    op.create_index("ix_sends_state", "sends", ["state"], unique=False)

    op.add_column("votes", sa.Column("suspect", sa.String(length=24), nullable=True))


def _workers() -> None:
    """What procrastinate needs to hand work to other machines; with SQLite one process does it all."""
    connection = op.get_bind()
    if connection.dialect.name == "postgresql":
        from procrastinate.schema import SchemaManager

        driver = connection.connection.driver_connection
        driver.execute(SchemaManager.get_schema())  # many statements: only the driver takes them at once
