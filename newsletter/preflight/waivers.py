"""Waivers: a person's word that a build goes out although a rule objects. Recorded with the build, never silent."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, insert, select

from newsletter.documents import did_you_mean
from newsletter.errors import Refused
from newsletter.preflight.findings import Finding, Severity
from newsletter.preflight.rules import RULES
from newsletter.store.engine import Store
from newsletter.store.tables import waivers


@dataclass(frozen=True)
class Waiver:
    """Who waived which rule for a build, why and when."""

    rule: str
    person: str
    reason: str
    at: datetime


def read_waive_options(options: Iterable[str]) -> dict[str, str]:
    """`RULE=reason`, as typed, by rule. Raises Refused for an unknown rule, one that cannot be waived, no reason."""
    wanted: dict[str, str] = {}
    for option in options:
        rule, _, reason = option.partition("=")
        wanted[rule.strip()] = reason.strip()
    check_waivers(wanted)
    return wanted


def check_waivers(wanted: Mapping[str, str]) -> None:
    """Raises Refused for a rule that does not exist or cannot be waived, and for an empty reason."""
    for rule, reason in wanted.items():
        if rule not in RULES:
            raise Refused(f"There is no rule `{rule}` to waive. {did_you_mean(rule.upper(), RULES)}")
        if not RULES[rule].waivable:
            raise Refused(f"{rule} cannot be waived: {RULES[rule].why}.")
        if not reason.strip():
            raise Refused(f'Waiving {rule} needs a reason, which is kept: --waive {rule}="why".')


def record_waivers(store: Store, build: str, wanted: Mapping[str, str], *, person: str, now: datetime) -> None:
    """Keep these waivers (reason by rule) with a frozen build; the first word on a rule stands. Raises Refused."""
    check_waivers(wanted)
    if not wanted:
        return
    with store.write() as connection:
        known = set(connection.scalars(select(waivers.c.rule).where(waivers.c.build == build)))
        rows = [
            {"build": build, "rule": rule, "person": person, "reason": reason.strip(), "at": now}
            for rule, reason in wanted.items()
            if rule not in known
        ]
        if rows:
            connection.execute(insert(waivers), rows)


def read_waivers(connection: Connection, build: str) -> list[Waiver]:
    """The waivers of a build, by rule."""
    query = select(waivers.c.rule, waivers.c.person, waivers.c.reason, waivers.c.at)
    found = [Waiver(**row._mapping) for row in connection.execute(query.where(waivers.c.build == build))]
    return sorted(found, key=lambda waiver: waiver.rule)  # databases sort by collations of their own


def blocking(findings: Sequence[Finding], waived: Collection[str]) -> list[Finding]:
    """The findings that stand between a build and its readers."""
    return [
        finding
        for finding in findings
        if finding.severity is Severity.ERROR and not (finding.rule in waived and RULES[finding.rule].waivable)
    ]
