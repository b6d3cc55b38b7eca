"""Every setting, as tables of config.toml; what each does stands in config.example.toml."""

from __future__ import annotations

import os
import re
from datetime import date as Date
from datetime import time as Time
from ipaddress import ip_network
from typing import Annotated, Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from newsletter.values import NAME, Address, Holidays, HttpFeed, HttpUrl, Line, Zone, is_loopback

ENVIRONMENT_PREFIX = "NEWSLETTER_"
MOST_MINUTES_LATE = 7 * 24 * 60  # what is later than a week is news no more


class Part(BaseModel):
    """A frozen table of settings; unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class StoreSettings(Part):
    """Where everything but the editors' files is kept; a relative SQLite path is relative to the workspace."""

    url: str = "sqlite:///var/newsletter.db"

    @field_validator("url")
    @classmethod
    def _known_database(cls, url: str) -> str:
        if re.fullmatch(r"postgresql://\S+", url):
            return url
        if not url.startswith("sqlite:///") or "?" in url:
            raise ValueError(
                "must be an SQLite or a PostgreSQL database, such as sqlite:///var/newsletter.db or "
                "postgresql://user@host/newsletter."
            )
        return url


class TransportSettings(Part):
    """How mail leaves: into a folder of .eml files, through Amazon SES, or through an SMTP relay."""

    kind: Literal["outbox", "ses", "smtp"] = "outbox"


class OutboxSettings(Part):
    """The folder for `kind = "outbox"`: relative to the workspace, or anywhere else by its whole path."""

    path: Line = Field(default="var/outbox", min_length=1)


def _aws_endpoint() -> str | None:
    """The endpoint override AWS's own tools honour."""
    return os.environ.get("AWS_ENDPOINT_URL_SESV2") or os.environ.get("AWS_ENDPOINT_URL") or None


class SesSettings(Part):
    """Amazon SES. Credentials come from the standard AWS places, never from here."""

    region: str = "us-east-1"
    endpoint_url: HttpUrl | None = Field(default_factory=_aws_endpoint)
    mode: Literal["raw", "bulk"] = "raw"
    configuration_set: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")] | None = None
    rate_margin: float = Field(default=0.9, gt=0, le=1)
    connections: int = Field(default=8, ge=1, le=64)


class SmtpSettings(Part):
    """An SMTP relay (RFC 5321). The password stands in secrets.toml."""

    host: Annotated[str, Field(pattern=r"^[A-Za-z0-9.:-]{1,253}$")] = "localhost"
    port: int = Field(default=587, ge=1, le=65535)
    # starttls: TLS is begun on the open connection (RFC 3207).   tls: from the first byte (RFC 8314).   none: plain.
    security: Literal["starttls", "tls", "none"] = "starttls"
    username: Line = ""
    password: SecretStr = SecretStr("")
    hello: Annotated[str, Field(pattern=r"^[A-Za-z0-9.:\[\]-]{0,253}$")] = (
        ""  # who we say we are; the host's name if ""
    )
    rate: float | None = Field(default=None, gt=0)  # recipients a second; None: as fast as the relay takes them
    connections: int = Field(default=4, ge=1, le=64)


class FeedbackSettings(Part):
    """Which event topics are ours, and where events come from."""

    topics: tuple[str, ...] = ()
    allow_sha1: bool = False  # believe SNS's older signatures (version 1)
    queue_url: HttpUrl | None = None  # an SQS queue subscribed to the topics: the dependable way
    queue_region: str | None = None  # where it is; [ses] region if None
    queue_endpoint_url: HttpUrl | None = None  # only for a local server
    simulator_url: HttpUrl | None = None
    sync_suppressions: bool = True  # nightly: who Amazon SES itself suppresses is suppressed here
    # A mailbox that keeps refusing for a while is given up after so many sends in a row over so many days.
    soft_bounces: int = Field(default=5, ge=2)
    soft_bounce_days: int = Field(default=30, ge=1)

    @field_validator("simulator_url")
    @classmethod
    def _on_this_machine(cls, url: str | None) -> str | None:
        host = urlsplit(url).hostname if url else None
        if host and host != "localhost" and not is_loopback(host):
            raise ValueError("must be on this machine, such as http://127.0.0.1:8005.")
        return url


class FeedSettings(Part):
    """A feed whose stories come into the inbox."""

    url: HttpFeed
    source: Line = ""  # who publishes it
    limit: int = Field(default=20, ge=1, le=200)  # at most so many new stories a pull


class WebSettings(Part):
    """Where `newsletter serve` listens."""

    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=1, le=65535)
    # Proxies whose X-Forwarded-For is believed, so that limits by network see the reader and not the proxy.
    trusted_proxies: tuple[str, ...] = ()
    # Sites (scheme and host) that may show our form in a frame or post to its JSON address.
    form_origins: tuple[HttpUrl, ...] = ()

    @field_validator("trusted_proxies")
    @classmethod
    def _networks(cls, proxies: tuple[str, ...]) -> tuple[str, ...]:
        for proxy in proxies:
            try:
                ip_network(proxy, strict=False)
            except ValueError:
                raise ValueError(f'"{proxy}" is no network address such as 127.0.0.1 or 10.0.0.0/8.') from None
        return proxies

    @field_validator("form_origins")
    @classmethod
    def _sites(cls, origins: tuple[str, ...]) -> tuple[str, ...]:
        for origin in origins:
            if urlsplit(origin).path:
                raise ValueError(f'"{origin}" must be scheme and host alone, such as https://www.example.org.')
        return origins


class SignupSettings(Part):
    """Sign-up forms: how long a request waits, and how often a form may be used."""

    purge_after_days: int = Field(default=7, ge=1, le=30)
    per_address_a_day: int = Field(default=3, ge=1)
    per_network_an_hour: int = Field(default=20, ge=1)
    per_domain_an_hour: int = Field(default=500, ge=1)


class RetentionSettings(Part):
    """How long what proves a consent (network address, agent) is kept."""

    proof_days: int = Field(default=1095, ge=1)


class KeySettings(Part):
    """Secret keys as `id:secret`. The first signing key signs; the others still check old links."""

    hash: SecretStr | None = None
    signing: tuple[SecretStr, ...] = ()

    @field_validator("hash", "signing")
    @classmethod
    def _well_formed(cls, value: SecretStr | tuple[SecretStr, ...] | None) -> SecretStr | tuple[SecretStr, ...] | None:
        for key in value if isinstance(value, tuple) else [value] if value else []:
            if not re.fullmatch(r"[a-z0-9]{1,15}:[A-Za-z0-9_-]{32,}", key.get_secret_value()):
                raise ValueError("must be `id:secret`, the secret at least 32 letters, digits, - or _.")
        return value


class PolicySettings(Part):
    """One version of the privacy policy, from a day on; `change` says what it asks of those who agreed to an earlier.

    editorial: nothing.   notice: they are told.   reconsent: they must agree anew, and get nothing until they do.
    """

    version: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,32}$")]
    effective: Date
    change: Literal["editorial", "notice", "reconsent"]
    summary: Line = Field(min_length=1)
    url: HttpUrl | None = None


class RhythmSettings(Part):
    """When a newsletter goes out: on which days, at which local time."""

    days: Annotated[tuple[Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"], ...], Field(min_length=1)] = (
        "mon", "tue", "wed", "thu", "fri",
    )  # fmt: skip
    at: Time
    done_by: bool = False  # `at` is when the last reader should have it, not when the first gets it
    zone: Zone | None = None  # the newsletter's if None
    holidays: Holidays | None = None  # "US", "DE-BY": it rests then

    @field_validator("at", mode="before")
    @classmethod
    def _time_of_day(cls, at: object) -> Time:
        if isinstance(at, Time):
            return at
        try:
            return Time.fromisoformat(at if isinstance(at, str) and re.match(r"\d\d:\d\d", at) else "")
        except ValueError:
            raise ValueError(f'{at!r} is no time of day. Write at = 06:30:00 (or "06:30").') from None

    @field_validator("at")
    @classmethod
    def _plain_minute(cls, at: Time) -> Time:
        if at.tzinfo is not None or at.second or at.microsecond:
            raise ValueError("must be an hour and a minute, such as 06:30; the zone is a setting of its own.")
        return at


class BreakerSettings(Part):
    """When a send is stopped by what comes back: parts of the outcomes heard of."""

    after: int = Field(default=500, ge=1)  # outcomes heard of before it judges
    hard_bounces: float = Field(default=0.05, gt=0, le=1)
    complaints: float = Field(default=0.001, gt=0, le=1)


# What has a length of its own: each block by its type, and a story told in brief or an item of `briefs`.
Measured = Literal[
    "brief", "intro", "lead", "story", "stories", "watching", "briefs", "numbers", "quote", "q-and-a", "follow-up",
    "previously", "video", "image", "related", "sponsor", "table", "calendar", "mail", "html", "cta", "poll",
    "correction", "divider",
]  # fmt: skip


class BudgetSettings(Part):
    """How long an issue and its parts may be; what is longer is a finding."""

    words: dict[Measured, Annotated[int, Field(ge=1)]] = {}
    issue: int | None = Field(default=None, ge=1)  # words
    read_minutes: int | None = Field(default=None, ge=1)


class NewsletterSettings(Part):
    """One publication readers subscribe to."""

    name: Line = Field(min_length=1, max_length=80)
    tagline: Line = ""
    list_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+$", max_length=200)]
    from_name: Line = Field(min_length=1, max_length=80)
    from_address: Address
    reply_to: Address | None = None
    timezone: Zone
    lang: Annotated[str, Field(pattern=r"^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$", max_length=35)] = "en"
    theme: Annotated[str, Field(pattern=NAME)] = "default"
    organisation: Line = Field(min_length=1)
    postal_address: Line = Field(min_length=1)
    why_receiving: Line = Field(min_length=1)
    privacy_url: HttpUrl | None = None
    jurisdiction: Literal["gdpr", "uk", "can-spam", "casl", "germany"] = "gdpr"
    imports: Literal["accept", "confirm"] = "accept"
    # What a reader agrees to on the form, in plain words; another text needs another version.
    consent_text: Line = ""
    consent_version: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,32}$")] = "1"
    policies: tuple[PolicySettings, ...] = ()
    # What the newsletter may measure for readers who agreed to it, apart from getting mail.
    tracking: tuple[Literal["opens", "clicks"], ...] = ()
    welcome: str = Field(default="", max_length=2_000)  # further words in the welcome mail
    welcome_issue: bool = False  # a new reader gets today's issue, if it is out
    archive: Literal["public", "noindex", "off"] = "public"
    second_person: bool = False  # nothing goes out that only one person has approved
    rhythm: RhythmSettings | None = None
    late_minutes: int = Field(default=120, ge=0, le=MOST_MINUTES_LATE)  # a scheduled issue later than that is held
    breaking_per_day: int = Field(default=3, ge=0)  # breaking news goes before all other sends, so often a day
    breaker: BreakerSettings = BreakerSettings()
    budgets: BudgetSettings = BudgetSettings()
    seeds: tuple[Address, ...] = ()  # colleagues who get each issue to look at; no readers, no part of the account

    @field_validator("policies")
    @classmethod
    def _in_order(cls, policies: tuple[PolicySettings, ...]) -> tuple[PolicySettings, ...]:
        if len({policy.version for policy in policies}) < len(policies):
            raise ValueError("each version may be named once only.")
        if list(policies) != sorted(policies, key=lambda policy: policy.effective):
            raise ValueError("must be in the order of their `effective` dates, the oldest first.")
        return policies

    @property
    def wording(self) -> str:
        """What readers agree to on the form."""
        return self.consent_text or (
            f"I want to get {self.name} by email from {self.organisation}, updates to its stories included. "
            "I can leave at any time by the link in every issue."
        )

    @property
    def write_to(self) -> str:
        """Where a reader reaches a person."""
        return self.reply_to or self.from_address

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.timezone)


class Settings(BaseSettings):
    """Every setting. Unknown keys are errors, in files and in the environment."""

    model_config = SettingsConfigDict(
        extra="forbid", frozen=True, env_prefix=ENVIRONMENT_PREFIX, env_nested_delimiter="__"
    )

    public_url: HttpUrl = "http://127.0.0.1:8000"
    store: StoreSettings = StoreSettings()
    transport: TransportSettings = TransportSettings()
    outbox: OutboxSettings = OutboxSettings()
    ses: SesSettings = SesSettings()
    smtp: SmtpSettings = SmtpSettings()
    feedback: FeedbackSettings = FeedbackSettings()
    web: WebSettings = WebSettings()
    signup: SignupSettings = SignupSettings()
    retention: RetentionSettings = RetentionSettings()
    feeds: dict[Annotated[str, Field(pattern=NAME)], FeedSettings] = {}
    keys: KeySettings = KeySettings()
    newsletters: dict[Annotated[str, Field(pattern=NAME)], NewsletterSettings] = Field(min_length=1)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return env_settings, init_settings
