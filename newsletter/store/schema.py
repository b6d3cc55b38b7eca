"""Bringing a database to this program's version, by Alembic migrations.

Every command asks whether the database is of this version, so that question is answered without loading Alembic.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import inspect, text

from newsletter.store.engine import Store

if TYPE_CHECKING:
    from alembic.config import Config

VERSION = "0004"  # the newest migration in migrations/versions; a test holds the two together


def upgrade(store: Store) -> None:
    """Run the migrations that are missing; nothing happens on an up-to-date database."""
    from alembic import command

    config = alembic_config()
    with store.write() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def is_current(store: Store) -> bool:
    """Whether the database has this program's version."""
    with store.read() as connection:
        if not inspect(connection).has_table("alembic_version"):
            return False
        found: str | None = connection.scalar(text("SELECT version_num FROM alembic_version"))
        return found == VERSION


def is_empty(store: Store) -> bool:
    """Whether nothing was ever stored: a database that may be made ready without asking."""
    with store.read() as connection:
        return not inspect(connection).get_table_names()


def alembic_config() -> Config:
    """Alembic's settings: where the migrations lie."""
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    return config
