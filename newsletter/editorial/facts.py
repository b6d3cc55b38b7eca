"""The facts in a frozen build's manifest: what it selected, asked and corrected, as its readers saw it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, select

from newsletter.store.tables import build_files


def facts_of(connection: Connection, build: str) -> Mapping[str, Any]:
    """The facts of a build; nothing where there is no such build, or it was made without any."""
    query = select(build_files.c.data).where(build_files.c.build == build, build_files.c.path == "manifest.json")
    data = connection.scalar(query)
    facts = json.loads(data).get("facts") if data else None
    return facts if isinstance(facts, dict) else {}
