"""The exports of other programs, as data: which headers prove one, where our fields stand in it, what its words mean.

A file that no format fits is generic: its columns carry our own names, or `--map` says which is which. Where a
program's words do not tell whether a person agreed, they are left out here: such a row is refused, a person decides.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

ANYTHING = "*"  # as a status word: whatever stands in the cell
FIELDS = (
    "email",
    "first_name",
    "lang",
    "status",
    "basis",
    "ground",
    "jurisdiction",
    "date",
    "expires",
    "left",
    "source",
    "ip",
    "paused_until",
)


@dataclass(frozen=True)
class Format:
    """One kind of file. Columns are named in the canonical spelling: small letters, underscores."""

    name: str
    label: str
    proof: frozenset[str]  # columns that only such a file has all of
    columns: Mapping[str, tuple[str, ...]]  # our field: their columns; the first filled cell counts
    absent: frozenset[str] = frozenset()  # columns that only its siblings have
    # Which column tells the status, and what its words mean; the first one that says something decides.
    signs: tuple[tuple[str, Mapping[str, str]], ...] = ()
    everyone: str = "subscribed"  # the status of a row that no sign speaks of
    nothing: Mapping[str, str] = field(default_factory=dict)  # a status that brings nobody in, and why
    note: str = ""  # what whoever imports such a file must know


def canonical(column: str) -> str:
    """A column's name as formats and mappings compare it."""
    return column.strip().strip("\ufeff").strip().lower().replace(" ", "_").replace("-", "_")


def recognise(columns: Collection[str]) -> Format | None:
    """The format whose proof these (canonical) columns are; None for a generic file."""
    known = set(columns)
    return next((found for found in FORMATS if found.proof <= known and not found.absent & known), None)


def formats_named(name: str) -> list[Format]:
    """The formats of one program: several where it writes one kind of file per status."""
    return [found for found in (*FORMATS, GENERIC) if found.name == name]


_YES_NO = {"true": "subscribed", "1": "subscribed", "false": "unsubscribed", "0": "unsubscribed"}
_NO_YES = {"true": "unsubscribed", "1": "unsubscribed", "false": "subscribed", "0": "subscribed"}
_MAILCHIMP_COLUMNS = {
    "email": ("email_address", "email"),
    "first_name": ("first_name", "fname"),
    "date": ("confirm_time", "optin_time"),
    "ip": ("confirm_ip", "optin_ip"),
}
_FULL_NAMES = "Its `name` column holds full names and is left out; to take it: --map first_name=name."

GENERIC = Format("generic", "a generic CSV file", frozenset(), {name: (name,) for name in FIELDS})

FORMATS = (
    Format(
        "newsletter",
        "an export of this program",
        frozenset({"email", "newsletter", "status", "basis", "since", "paused_until"}),
        {
            **{name: (name,) for name in ("email", "first_name", "lang", "basis", "source", "newsletter")},
            "date": ("since",),
            "left": ("since",),
            "paused_until": ("paused_until",),
        },
        signs=(
            (
                "status",
                {
                    # What the rules make of a consent is decided anew; that it was given is what counts here.
                    **dict.fromkeys(("mailable", "basis-not-accepted", "reconsent-owed"), "subscribed"),
                    **dict.fromkeys(("import-needs-confirmation", "paused"), "subscribed"),
                    "unconfirmed": "pending",
                    "unsubscribed": "unsubscribed",
                    "suppressed-hard-bounce": "bounced",
                    "suppressed-complaint": "complained",
                    "suppressed-manual": "suppressed",
                },
            ),
        ),
        nothing={
            "expired": "her consent had run out; only she can renew it.",
            "no-consent": "nothing she agreed to was on record.",
            "suppressed-moved": "the address was no longer the reader's.",
            "suppressed-erasure": "she was erased on request.",
        },
    ),
    Format(
        "mailchimp",
        "a Mailchimp export of contacts who unsubscribed",
        frozenset({"member_rating", "unsub_time", "euid"}),
        {**_MAILCHIMP_COLUMNS, "left": ("unsub_time",)},
        absent=frozenset({"last_changed", "status"}),
        everyone="unsubscribed",
    ),
    Format(
        "mailchimp",
        "a Mailchimp export of cleaned contacts (addresses that bounced)",
        frozenset({"member_rating", "clean_time", "euid"}),
        {**_MAILCHIMP_COLUMNS, "left": ("clean_time",)},
        absent=frozenset({"last_changed", "status"}),
        everyone="bounced",
    ),
    Format(
        "mailchimp",
        "a Mailchimp export",
        frozenset({"member_rating", "leid", "euid"}),
        {**_MAILCHIMP_COLUMNS, "left": ("unsub_time", "clean_time")},
        signs=(
            ("unsub_time", {ANYTHING: "unsubscribed"}),
            ("clean_time", {ANYTHING: "bounced"}),
            (
                "status",
                {
                    "subscribed": "subscribed",
                    "unsubscribed": "unsubscribed",
                    "cleaned": "bounced",
                    "pending": "pending",
                },
            ),
        ),
    ),
    Format(
        "substack",
        "a Substack export",
        frozenset({"email", "active_subscription", "email_disabled"}),
        {"email": ("email",), "date": ("created_at",)},
        signs=(("email_disabled", _NO_YES),),
    ),
    Format(
        "ghost",
        "a Ghost export",
        frozenset({"email", "subscribed_to_emails", "complimentary_plan"}),
        {"email": ("email",), "date": ("created_at",), "left": ("deleted_at",)},
        signs=(("deleted_at", {ANYTHING: "unsubscribed"}), ("subscribed_to_emails", _YES_NO)),
        note=_FULL_NAMES,
    ),
    Format(
        "beehiiv",
        "a beehiiv export",
        frozenset({"email", "status", "tier", "created_at", "stripe_customer_id"}),
        {
            "email": ("email",),
            "first_name": ("first_name",),
            "date": ("created_at",),
            "left": ("unsubscribed_at",),
        },
        signs=(
            ("unsubscribed_at", {ANYTHING: "unsubscribed"}),
            (
                "status",
                {
                    "active": "subscribed",
                    "inactive": "unsubscribed",
                    "invalid": "bounced",
                    **dict.fromkeys(("pending", "validating", "needs_approval", "needs_attention"), "pending"),
                },
            ),
        ),
    ),
    Format(
        "buttondown",
        "a Buttondown export",
        frozenset({"email", "subscriber_type", "creation_date"}),
        {
            "email": ("email",),
            "date": ("subscription_date", "creation_date"),
            "left": ("unsubscription_date", "undeliverability_date"),
            "ip": ("ip_address",),
        },
        signs=(
            (
                "subscriber_type",
                {
                    **dict.fromkeys(("regular", "premium", "trialed", "gifted", "churning", "churned"), "subscribed"),
                    **dict.fromkeys(("paused", "past_due", "unpaid"), "subscribed"),
                    "unactivated": "pending",
                    **dict.fromkeys(("unsubscribed", "removed", "disabled"), "unsubscribed"),
                    **dict.fromkeys(("undeliverable", "malformed"), "bounced"),
                    "complained": "complained",
                    **dict.fromkeys(("spammy", "blocked", "disposable"), "suppressed"),
                },
            ),
        ),
    ),
    Format(
        "listmonk",
        "a listmonk export",
        frozenset({"uuid", "email", "name", "attributes", "status", "created_at", "updated_at"}),
        {"email": ("email",), "date": ("created_at",)},
        signs=(("status", {"enabled": "subscribed", "disabled": "unsubscribed", "blocklisted": "suppressed"}),),
        note=(
            "listmonk's `status` is the person's, not the list's: who left a single list is still `enabled`. "
            "Export that list's unsubscribed readers apart and import them with --status unsubscribed first. "
            + _FULL_NAMES
        ),
    ),
)
NAMES = tuple(dict.fromkeys(found.name for found in (GENERIC, *FORMATS)))
