"""The cast: a newsroom with one daily, and short ways to import, ask and leave."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from newsletter.app import App
from newsletter.audience.addresses import address_hash, normalise
from newsletter.audience.consent import Basis
from newsletter.audience.explain import Explanation, explain
from newsletter.audience.import_csv import ImportReport, import_csv
from newsletter.audience.unsubscribe import Outcome, unsubscribe_address
from newsletter.settings import NewsletterSettings, PolicySettings


@dataclass
class Newsroom:
    """An app, and the verbs of the audience bound to its daily."""

    app: App
    folder: Path

    @property
    def settings(self) -> NewsletterSettings:
        return self.app.settings.newsletters["daily"]

    @property
    def now(self) -> datetime:
        return self.app.now()

    def file(self, content: str | bytes, name: str = "readers.csv") -> Path:
        path = self.folder / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    def imports(self, content: str | bytes | Path, **options: Any) -> ImportReport:
        path = content if isinstance(content, Path) else self.file(content)
        options = {"source": "site export", "basis": Basis.EXPRESS, "actor": "editor", **options}
        options = {"newsletter": "daily", "settings": self.settings, "now": self.now, **options}
        return import_csv(self.app.store, self.app.keys, path, **options)

    def explains(self, address: str, **changed: Any) -> Explanation:
        options = {"newsletter": "daily", "settings": self.settings, "at": self.now, **changed}
        return explain(self.app.store, self.app.keys, address, **options)

    def reason(self, address: str, **changed: Any) -> str:
        return self.explains(address, **changed).reason

    def leaves(self, address: str) -> Outcome:
        return unsubscribe_address(
            self.app.store, self.app.keys, address, newsletter="daily", source="cli", now=self.now, actor="editor"
        )

    def hash(self, address: str) -> str:
        return address_hash(normalise(address).normal, self.app.keys.hash)


@pytest.fixture
def newsroom(app: App, tmp_path: Path) -> Newsroom:
    return Newsroom(app, tmp_path)


@pytest.fixture
def settings_for() -> Callable[..., NewsletterSettings]:
    """The settings of a newsletter under other rules."""

    def make(
        jurisdiction: str = "gdpr", imports: str = "accept", policies: tuple[PolicySettings, ...] = ()
    ) -> NewsletterSettings:
        return NewsletterSettings(
            name="Daily",
            list_id="daily.news.example.org",
            from_name="Daily",
            from_address="daily@news.example.org",
            timezone="America/New_York",
            organisation="Daily",
            postal_address="1 Example Street",
            why_receiving="You signed up.",
            jurisdiction=jurisdiction,  # type: ignore[arg-type]
            imports=imports,  # type: ignore[arg-type]
            policies=policies,
        )

    return make
