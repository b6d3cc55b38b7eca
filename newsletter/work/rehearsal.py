"""The verb: an issue's whole send to its real audience, against a private simulator, mailing nobody.

The build is made from the newsroom as it is; everything written stands in a folder apart that goes afterwards. The
simulator is a child process, its faults are those of a script, and its events are taken back while the send goes on, so
that what they stop is stopped here too. A send that is parked is gone on with at once: only the waiting is left out.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.request import ProxyHandler, Request, build_opener

from sqlalchemy import func, select

from newsletter.config import Workspace
from newsletter.errors import Refused
from newsletter.feedback.apply import Applied
from newsletter.feedback.collect import Collector
from newsletter.preflight.candidate import candidate
from newsletter.preflight.findings import Finding
from newsletter.preflight.waivers import blocking
from newsletter.rendering.build import Build
from newsletter.rendering.freeze import freeze
from newsletter.sending.accounts import outcomes
from newsletter.sending.answers import Patience
from newsletter.sending.apart import Apart, copy_audience, folder_apart, last_rate
from newsletter.sending.readers import meant_readers
from newsletter.sending.send import Report, report_on, send_issue
from newsletter.sending.sends import State
from newsletter.settings import Settings
from newsletter.simulator.events import TOPIC
from newsletter.simulator.script import read_script
from newsletter.simulator.server import Running, start
from newsletter.store.engine import Store
from newsletter.store.keys import KeyRing
from newsletter.store.schema import upgrade
from newsletter.store.tables import deliveries
from newsletter.transports.ses import SesTransport
from newsletter.work.listening import listening

PERSON = "rehearsal"
WAIVED = frozenset({"DATE"})
_SET = "newsletter"  # the configuration set a simulator has
_LOOK = 0.5  # seconds between two looks whether the simulator is back
_SOON = Patience(first_wait=0.1, longest_wait=2.0, clean_seconds=5.0)
_MOST_PARKED = 50
_AWAY_SECONDS = 300.0


@dataclass(frozen=True)
class Rehearsed:
    """What came of it. Without a report nothing was sent: the findings that are not waived say why."""

    findings: tuple[Finding, ...]
    report: Report | None = None
    outcomes: Mapping[str, int] = field(default_factory=dict)
    seconds: Mapping[str, float] = field(default_factory=dict)  # copying, sending, events
    forecast_rate: float | None = None  # readers a second of the real account, if that is known
    faults: Mapping[str, int] = field(default_factory=dict)  # sending calls that met each kind
    tried_again: int = 0  # hand-overs beyond the first of a reader
    settled: int = 0  # hand-overs in doubt that events settled
    parked: tuple[str, ...] = ()  # why the send was held until later, each time
    suppressed: int = 0
    events: int = 0

    @property
    def forecast_seconds(self) -> float | None:
        """How long the real send would take at least."""
        if self.forecast_rate is None or self.report is None:
            return None
        account = self.report.account
        return (account.audience - account.excluded) / self.forecast_rate

    @property
    def succeeded(self) -> bool:
        return self.report is not None and self.report.settled


Said = Callable[[str], None]


def rehearse(
    store: Store,
    workspace: Workspace,
    ring: KeyRing,
    issue: str,
    *,
    now: Callable[[], datetime],
    faults: Path | None = None,
    rate: float | None = None,
    readers_of: str | None = None,
    say: Said = lambda sentence: None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Rehearsed:
    """Rehearse sending an issue, with `readers_of`, or where its definition says so, to just those who had that one.

    `rate` is what the real account allows. Raises InputError, NotFound, Refused.
    """
    if faults is not None:
        read_script(faults)  # what is wrong with it is said before anything begins
    with store.read() as connection:
        readers_of = meant_readers(connection, workspace, issue, readers_of)
    found = candidate(workspace, store, issue, now=now())
    if blocking(found.findings, WAIVED):
        return Rehearsed(found.findings)
    known = real_rate(store, workspace.settings, rate)
    with (
        folder_apart(workspace) as folder,
        start(folder / "simulator", keep_messages=False, faults=faults) as simulator,
    ):
        settings = _settings(workspace.settings, simulator.url)
        apart = Apart(workspace.root, settings, folder)
        play = _Play(apart, Store(apart.store_url), ring, simulator, now, say, progress, readers_of)
        try:
            done = play.through(store, found.build)
        finally:
            play.store.close()
    return replace(done, findings=found.findings, forecast_rate=known)


def _settings(real: Settings, url: str) -> Settings:
    """The newsroom's, with the simulator for the way out and the way back. A rehearsal needs nobody's approval."""
    ses = real.ses.model_copy(update={"endpoint_url": url, "configuration_set": _SET})
    feedback = real.feedback.model_copy(update={"simulator_url": url, "topics": (TOPIC,), "queue_url": None})
    newsletters = {
        name: each.model_copy(update={"second_person": False, "seeds": ()}) for name, each in real.newsletters.items()
    }
    transport = real.transport.model_copy(update={"kind": "ses"})
    changes = {"ses": ses, "feedback": feedback, "newsletters": newsletters, "transport": transport}
    return real.model_copy(update=changes)


def real_rate(store: Store, settings: Settings, said: float | None) -> float | None:
    """Readers a second of the real account: as said, as configured, or as it last was."""
    if said is not None:
        return said * settings.ses.rate_margin if settings.transport.kind == "ses" else said
    if settings.transport.kind == "smtp":
        return settings.smtp.rate
    return last_rate(store, f"ses:{settings.ses.region}") if settings.transport.kind == "ses" else None


@dataclass
class _Play:
    """One rehearsal under way."""

    workspace: Apart
    store: Store
    ring: KeyRing
    simulator: Running
    now: Callable[[], datetime]
    say: Said
    progress: Callable[[int, int], None]
    readers_of: str | None
    applied: Applied = field(default_factory=Applied)
    parked: list[str] = field(default_factory=list)

    def through(self, source: Store, build: Build) -> Rehearsed:
        clock, seconds = time.monotonic, dict[str, float]()
        begun = clock()
        self.say("Copying the audience apart")
        upgrade(self.store)
        freeze(self.store, self.workspace, build, now=self.now())
        copy_audience(source, self.store, build, readers_of=self.readers_of)
        seconds["copying"] = clock() - begun
        self.say("Sending to the simulator")
        begun = clock()
        with listening(self._collector()) as heard:
            report = self._send(build)
        self.applied += heard.applied
        seconds["sending"] = clock() - begun
        self.say("Taking back the events that are left")
        begun = clock()
        self._settle()
        seconds["events"] = clock() - begun
        report = replace(report_on(self.store, report.send.id), warnings=report.warnings)
        return self._told(report, seconds)

    def _send(self, build: Build) -> Report:
        """Until it is done, a person is needed, or a person stops it."""
        transport = SesTransport(self.workspace.settings.ses)
        whom: dict[str, Any] = {"person": PERSON, "waived_date": True, "rest": True, "readers_of": self.readers_of}
        away_since: float | None = None
        while True:
            try:
                report = send_issue(
                    self.store,
                    self.workspace,
                    self.ring,
                    transport,
                    build,
                    now=self.now,
                    progress=self.progress,
                    patience=_SOON,
                    **whom,
                )
            except Refused:
                # An outage goes by itself; what a person must see to does not.
                if self._answers() or (away_since and time.monotonic() - away_since > _AWAY_SECONDS):
                    raise
                away_since = away_since or time.monotonic()
                time.sleep(_LOOK)
                continue
            away_since = None
            send = report.send
            if send.state is not State.HELD or send.resume_at is None or len(self.parked) >= _MOST_PARKED:
                return report
            self.parked.append(send.reason or "")
            self.say(f"Parked: {send.reason}. The real send would wait until {send.resume_at:%H:%M} UTC and go on")
            time.sleep(_LOOK)

    def _settle(self) -> None:
        """Everything that is published, and what would come late at once; an outage that lasts until now is sat out."""
        away_since = time.monotonic()
        while not self._answers() and time.monotonic() - away_since < _AWAY_SECONDS:
            time.sleep(_LOOK)
        self._ask("/_simulator/events", {"hurry": 86_400 * 2})
        self.applied += self._collector().collect()

    def _collector(self) -> Collector:
        # The simulator's certificate and its events are of the real time, whatever the newsroom's clock says.
        return Collector(self.store, self.workspace.settings, self.ring, lambda: datetime.now(UTC))

    def _told(self, report: Report, seconds: Mapping[str, float]) -> Rehearsed:
        table = deliveries.c
        again = select(func.sum(table.attempt - 1)).where(table.send_id == report.send.id, table.attempt > 1)
        with self.store.read() as connection:
            tried_again = int(connection.scalar(again) or 0)
            came_back = outcomes(connection, report.send.id)
        return Rehearsed(
            (),
            report,
            came_back,
            {what: round(taken, 1) for what, taken in seconds.items()},
            faults=dict(sorted(Counter(self._ask("/_simulator/faults")["met"]).items())),
            tried_again=tried_again,
            settled=self.applied.settled,
            parked=tuple(self.parked),
            suppressed=self.applied.suppressed,
            events=self.applied.new,
        )

    def _answers(self) -> bool:
        try:
            return bool(self._ask("/_simulator/health")["ok"])
        except OSError:
            return False

    def _ask(self, path: str, body: Mapping[str, object] | None = None) -> dict[str, Any]:
        """A question or an order to our own simulator, past any proxy."""
        data = json.dumps(body).encode() if body is not None else None
        request = Request(self.simulator.url + path, data, {"Content-Type": "application/json"})  # noqa: S310 - our own
        with build_opener(ProxyHandler({})).open(request, timeout=60) as answer:
            found: dict[str, Any] = json.load(answer)
            return found
