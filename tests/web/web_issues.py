"""Issues written as editors write them and really sent, day by day, on a clock that the test sets."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta

from fastapi.testclient import TestClient

from newsletter.app import App
from newsletter.audience.links import Purpose, sign_reader
from newsletter.sending.order import Order, fulfil
from newsletter.sending.sends import Send
from newsletter.web.public.site import create_site

INTRO = '[[blocks]]\ntype = "intro"\nbody = "Good morning."\n'
POLL = '[[blocks]]\ntype = "poll"\nid = "wall"\nquestion = "Will it last?"\noptions = ["Yes", "No", "Not for long"]\n'


@dataclass
class Clock:
    at: datetime

    def __call__(self) -> datetime:
        return self.at


@dataclass
class Newsroom:
    """A workspace whose issues go out at half past ten, UTC."""

    origin: App
    clock: Clock = field(default_factory=lambda: Clock(datetime(2024, 10, 1, 10, 30, tzinfo=UTC)))

    @property
    def app(self) -> App:
        return replace(self.origin, now=self.clock)

    def site(self) -> TestClient:
        """Readers of flesh and blood: between one request and the next some seconds pass."""
        client = TestClient(create_site(self.app), base_url="https://news.example.org", follow_redirects=False)
        client.event_hooks["response"] = [lambda _: self.wait(seconds=5)]
        return client

    def wait(self, **time: float) -> None:
        self.clock.at += timedelta(**time)

    def write(self, issue: str, blocks: str = INTRO, *, subject: str = "", preheader: str = "What it is") -> None:
        folder = self.app.workspace.issues / issue
        folder.mkdir(exist_ok=True)
        head = f'newsletter = "daily"\ndate = {issue[:10]}\npreheader = {preheader!r}\n'
        head += f"subject = {subject or f'News of {issue}'!r}\n"
        (folder / "issue.toml").write_text(head + blocks, encoding="utf-8")

    def story(self, story_id: str, front: str) -> None:
        path = self.app.workspace.issues / f"{story_id}.md"
        path.parent.mkdir(exist_ok=True)
        path.write_text(f'+++\ntitle = "A story"\n{front}\n+++\n\nText.\n', encoding="utf-8")

    def send(
        self,
        issue: str,
        blocks: str = INTRO,
        *,
        rest: bool = False,
        waive: str = "",
        readers_of: str | None = None,
        **words: str,
    ) -> Send:
        """Write an issue and send it on its own day; gives the settled send."""
        self.write(issue, blocks, **words)
        self.clock.at = max(self.clock.at + timedelta(minutes=1), _morning(issue))
        order = Order(issue, "ed", [f"{rule}=a test" for rule in waive.split()], rest, readers_of=readers_of)
        app = self.app
        done = fulfil(app.store, app.workspace, app.keys, app.transport(), order, now=self.clock)
        assert done.report, [str(finding) for finding in done.findings]
        self.wait(minutes=1)  # nobody votes the moment it arrives
        return done.report.send

    def vote_link(self, send: Send, reader: int, *, poll: str = "wall", option: object = 1) -> str:
        token = sign_reader(self.app.keys, Purpose.VOTE, reader, send.newsletter, send.id)
        return f"/v/{token}/{poll}/{option}"


def _morning(issue: str) -> datetime:
    return datetime.combine(date.fromisoformat(issue[:10]), time(10, 30), UTC)
