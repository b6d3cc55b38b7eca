"""The library at size: an index of issues and stories, and the words stories are found by."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "library_builds",
        sa.Column("story", sa.String(length=210), nullable=False),
        sa.Column("build", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("story", "build", name=op.f("pk_library_builds")),
    )
    op.create_index("ix_library_builds_build", "library_builds", ["build"], unique=False)

    op.create_table(
        "library_issues",
        sa.Column("tree", sa.String(length=32), nullable=False),
        sa.Column("issue", sa.Text(), nullable=False),
        sa.Column("stamp", sa.Text(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("newsletter", sa.Text(), nullable=True),
        sa.Column("date", sa.Date(), nullable=True),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("selects", sa.Boolean(), nullable=False),
        sa.Column("data", sa.Text(), nullable=False),
        sa.Column("problem", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("tree", "issue", name=op.f("pk_library_issues")),
    )
    op.create_table(
        "library_names",
        sa.Column("tree", sa.String(length=32), nullable=False),
        sa.Column("kind", sa.String(length=8), nullable=False),
        sa.Column("name", sa.String(length=210), nullable=False),
        sa.Column("file", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("tree", "kind", "name", "file", name=op.f("pk_library_names")),
    )
    op.create_index("ix_library_names_file", "library_names", ["tree", "file"], unique=False)

    op.create_table(
        "library_stories",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("tree", sa.String(length=32), nullable=False),
        sa.Column("story", sa.Text(), nullable=False),
        sa.Column("folder", sa.Text(), nullable=False),
        sa.Column("stamp", sa.Text(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("day", sa.Date(), nullable=True),
        sa.Column("data", sa.Text(), nullable=False),
        sa.Column("problem", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_library_stories")),
        sa.UniqueConstraint("tree", "story", name=op.f("uq_library_stories_tree_story")),
    )
    op.create_index("ix_library_stories_folder", "library_stories", ["tree", "folder"], unique=False)

    op.create_table(
        "library_trees",
        sa.Column("tree", sa.String(length=32), nullable=False),
        sa.Column("used_on", sa.Date(), nullable=False),
        sa.PrimaryKeyConstraint("tree", name=op.f("pk_library_trees")),
    )
    for statement in _WORDS[op.get_bind().dialect.name]:
        op.execute(statement)


# The words are split, folded and stemmed before they come here, so both databases are told to leave them as they are.
_WORDS = {
    "sqlite": (
        """CREATE VIRTUAL TABLE library_words USING fts5
        (title, labels, copy, tokenize = 'unicode61 remove_diacritics 0', prefix = '3')""",
        "INSERT INTO library_words (library_words, rank) VALUES ('rank', 'bm25(8.0, 4.0, 1.0)')",
    ),
    "postgresql": (
        "CREATE TABLE library_words (id bigint PRIMARY KEY, words tsvector NOT NULL)",
        "CREATE INDEX ix_library_words_words ON library_words USING gin (words)",
    ),
}
