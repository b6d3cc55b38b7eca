"""A newsroom on a clock that the test sets: issues as files, scheduled and sent through the verbs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

from sending_rig import Memory

from newsletter.app import App
from newsletter.sending.due import Due, start_due
from newsletter.sending.order import Done, Order, fulfil
from newsletter.sending.planning import Plan, Planned, plan
from newsletter.sending.schedule import Schedule, open_schedule
from newsletter.sending.sends import Send, of_issue
from newsletter.settings import NewsletterSettings

ISSUE = "2024-10-10"
NEW_YORK = ZoneInfo("America/New_York")
INTRO = '[[blocks]]\ntype = "intro"\nbody = "Good morning."\n'
RHYTHM = 'rhythm = { at = 06:30:00, holidays = "US" }\n'


def local(text: str) -> datetime:
    """A moment by New York's clocks."""
    return datetime.fromisoformat(text).replace(tzinfo=NEW_YORK).astimezone(UTC)


@dataclass
class Newsroom:
    """It is the evening before."""

    app: App
    at: datetime = field(default_factory=lambda: local("2024-10-09 20:00"))
    transport: Memory = field(default_factory=Memory)

    def now(self) -> datetime:
        return self.at

    def set(self, **settings: object) -> NewsletterSettings:
        """The same workspace with other settings of the newsletter."""
        workspace = self.app.workspace
        changed = workspace.settings.newsletters["daily"].model_copy(update=settings)
        newsletters = {**workspace.settings.newsletters, "daily": changed}
        updated = workspace.settings.model_copy(update={"newsletters": newsletters})
        self.app = replace(self.app, workspace=replace(workspace, settings=updated))
        return changed

    def write(self, issue: str = ISSUE, *, blocks: str = INTRO, day: str = "", subject: str = "") -> None:
        folder = self.app.workspace.issues / issue
        folder.mkdir(exist_ok=True)
        head = f'newsletter = "daily"\ndate = {day or issue[:10]}\npreheader = "What it is about"\n'
        words = subject or f"News of {issue}"
        (folder / "issue.toml").write_text(f'{head}subject = "{words}"\n{blocks}', encoding="utf-8")

    def plan(self, issue: str = ISSUE, *, person: str = "ann", **wanted: object) -> Planned:
        order = Plan(issue, person, **wanted)  # type: ignore[arg-type]
        return plan(self.app.store, self.app.workspace, self.transport, order, now=self.at)

    def scheduled(self, issue: str = ISSUE, **wanted: object) -> Schedule:
        """Plan it, and be sure that it is."""
        found = self.plan(issue, **wanted)
        assert found.schedule is not None, (found.findings, found.unapproved)
        return found.schedule

    def ring(self) -> list[Due]:
        """The clock looks once."""
        return start_due(self.app.store, self.app.workspace, self.transport, now=self.now)

    def send(self, issue: str = ISSUE, *, person: str = "ann", **wanted: object) -> Done:
        order = Order(issue, person, **wanted)  # type: ignore[arg-type]
        app = self.app
        return fulfil(app.store, app.workspace, app.keys, self.transport, order, now=self.now)

    def standing(self, issue: str = ISSUE) -> Schedule | None:
        with self.app.store.read() as connection:
            return open_schedule(connection, issue)

    def sends(self, issue: str = ISSUE) -> list[Send]:
        with self.app.store.read() as connection:
            return of_issue(connection, issue)


Ask = Callable[..., Newsroom]


def day(text: str) -> date:
    return date.fromisoformat(text)
