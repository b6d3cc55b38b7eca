"""Versions of the privacy policy: which was in force when, and to which one a reader must have agreed by now.

A change is editorial (nothing follows), notice (readers are told) or reconsent (earlier consents no longer carry the
new purpose, so mail stops until the reader agrees anew). A version is in force from the start of its day in the
newsletter's zone.
"""

from __future__ import annotations

from datetime import datetime, time

from newsletter.settings import NewsletterSettings, PolicySettings


def policy_in_force(settings: NewsletterSettings, at: datetime) -> str | None:
    """The version in force at a moment; None before the first."""
    found = [policy.version for policy in settings.policies if begins(policy, settings) <= at]
    return found[-1] if found else None


def sufficient_versions(settings: NewsletterSettings, at: datetime) -> tuple[str, ...] | None:
    """The versions a consent may name to be good at a moment; None when any will do, having asked for no reconsent."""
    in_force = [policy for policy in settings.policies if begins(policy, settings) <= at]
    last = max((n for n, policy in enumerate(in_force) if policy.change == "reconsent"), default=None)
    return None if last is None else tuple(policy.version for policy in settings.policies[last:])


def begins(policy: PolicySettings, settings: NewsletterSettings) -> datetime:
    """The first moment of a version."""
    return datetime.combine(policy.effective, time(), settings.zone)


def newest_to_tell(settings: NewsletterSettings) -> PolicySettings | None:
    """The newest version readers must be told of, in force already or not; None when all changes were editorial."""
    found = [policy for policy in settings.policies if policy.change in ("notice", "reconsent")]
    return found[-1] if found else None


def since(settings: NewsletterSettings, version: str) -> tuple[str, ...]:
    """That version and all later ones; nothing for a version that is not configured (any more)."""
    versions = [policy.version for policy in settings.policies]
    return tuple(versions[versions.index(version) :]) if version in versions else ()


def later_of(settings: NewsletterSettings, one: str | None, other: str | None) -> str | None:
    """The later of two versions; one that is not configured counts as the earliest."""
    versions = [policy.version for policy in settings.policies]
    return max(one, other, key=lambda version: versions.index(version) if version in versions else -1)
