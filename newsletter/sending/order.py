"""What `send` does from the editor's word to the settled account: build, check, freeze, approve, hand over.

An issue whose send is unfinished is gone on with as the build it began with; its files are not read again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from newsletter.audience.segments import read_segment
from newsletter.config import Workspace
from newsletter.preflight.findings import Finding
from newsletter.preflight.waivers import read_waive_options
from newsletter.rendering.freeze import load_build
from newsletter.sending.breaking import BREAKING
from newsletter.sending.readers import meant_readers
from newsletter.sending.send import Report, begin, refuse_if_out, send_issue
from newsletter.sending.sends import Send, unfinished
from newsletter.sending.signing import Unapproved, sign
from newsletter.store.engine import Store
from newsletter.store.keys import KeyRing
from newsletter.transports.mail import Transport


@dataclass(frozen=True)
class Order:
    """Who wants which issue sent, in spite of what."""

    issue: str
    person: str
    waive: Sequence[str] = ()  # `RULE=reason`
    rest: bool = False
    segment: str | None = None
    readers_of: str | None = None  # only those who had that issue; None: as its definition says
    detach: bool = False  # prepare it; something else hands it over
    breaking: bool = False  # before all other sends


@dataclass(frozen=True)
class Done:
    """What came of it. Without a report nothing was sent: the findings that are not waived say why, or else the yes of
    a second person that is missing.
    """

    findings: tuple[Finding, ...]
    waived: frozenset[str]
    report: Report | None
    unapproved: Unapproved | None = None


def fulfil(
    store: Store,
    workspace: Workspace,
    ring: KeyRing,
    transport: Transport,
    order: Order,
    *,
    now: Callable[[], datetime],
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Done:
    """Send an issue, or go on with its unfinished send. Raises InputError, Refused, NotFound, StoreError."""
    waivers = read_waive_options(order.waive)
    with store.read() as connection:
        begun = unfinished(connection, order.issue)
        if begun is None and not order.rest:
            refuse_if_out(connection, order.issue)  # before findings: nobody should mend an issue that is out
        if begun is None:
            meant = meant_readers(connection, workspace, order.issue, order.readers_of)
            order = replace(order, readers_of=meant)
    if begun is None and order.segment is not None:
        read_segment(workspace, order.segment)
    if begun is not None:
        build, findings = load_build(store, begun.build), tuple[Finding, ...]()
    else:
        moment = now()
        signed = sign(store, workspace, order.issue, person=order.person, waivers=waivers, due=moment, now=moment)
        build, findings = signed.build, signed.findings
        if not signed.may_go:
            return Done(findings, frozenset(waivers), None, signed.unapproved)
    whom: dict[str, Any] = {"rest": order.rest, "segment": order.segment, "waived_date": "DATE" in waivers}
    whom["readers_of"] = order.readers_of
    whom["priority"] = BREAKING if order.breaking else 0
    if order.detach:
        report = begin(store, workspace, transport, build, person=order.person, now=now, **whom)
    else:
        whom |= {"now": now, "progress": progress}
        report = send_issue(store, workspace, ring, transport, build, person=order.person, **whom)
    if begun is not None:
        report = replace(report, warnings=(*report.warnings, *_without_effect(order, begun)))
    return Done(findings, frozenset(waivers), report)


def _without_effect(order: Order, begun: Send) -> list[str]:
    """What was asked for and means nothing to a send that had begun: it must not be dropped in silence."""
    said = []
    if order.waive:
        said.append(f"Send {begun.id} had begun: its build was not checked again, and --waive changed nothing.")
    if order.rest:
        said.append(
            f"Send {begun.id} had begun and was gone on with. For who has come since: "
            f"newsletter send {begun.issue} --rest"
        )
    return said
