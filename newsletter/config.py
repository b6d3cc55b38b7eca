"""The one reader of configuration and environment.

Settings come from `config.toml`, then `secrets.toml`, then the environment (`NEWSLETTER_TRANSPORT__KIND=ses`), the
later winning. They are read once, checked at the start, frozen, and passed in. Keys and passwords are refused in
`config.toml`: that file is shared, `secrets.toml` (mode 0600, git-ignored) is not.
"""

from __future__ import annotations

import copy
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date as Date
from datetime import time as Time
from functools import cached_property
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict
from pydantic_settings.exceptions import SettingsError

from newsletter.documents import Document, did_you_mean, problems_of, read_toml
from newsletter.errors import InputError, NotFound, Place, Problem

ENVIRONMENT_PREFIX = "NEWSLETTER_"
WORKSPACE_VARIABLE = "NEWSLETTER_WORKSPACE"
CONFIG_NAME = "config.toml"
SECRETS_NAME = "secrets.toml"
MOST_MINUTES_LATE = 7 * 24 * 60  # what is later than a week is news no more
NAME = r"^[a-z0-9][a-z0-9-]{0,62}$"


def _zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f'"{value}" is not a time zone. {did_you_mean_zone(value)}') from None
    return value


def did_you_mean_zone(value: str) -> str:
    """The nearest IANA zone, by the whole name or by the city alone (`New York` -> America/New_York)."""
    zones = available_timezones()
    city = value.replace(" ", "_").lower()
    for zone in sorted(zones):
        if zone.lower().endswith("/" + city):
            return f"Did you mean `{zone}`?"
    hint = did_you_mean(value, zones)
    return hint if hint.startswith("Did") else "Use an IANA name such as America/New_York."


def _http_url(value: str) -> str:
    if not re.fullmatch(r"https?://[A-Za-z0-9.\-\[\]:]+(/[^\s?#\"'<>{}\\|^`]*)?", value) or not _splits(value):
        raise ValueError("must be an http(s) address without a query, such as https://news.example.org.")
    return value.rstrip("/")


def _splits(url: str) -> bool:
    try:
        return urlsplit(url).port != 0
    except ValueError:  # brackets that are no IPv6 address, a port beyond 65535
        return False


def _one_line(value: str) -> str:
    if re.search(r"[\x00-\x1f\x7f]", value):
        raise ValueError("must be one line without control characters.")
    return value.strip()


def _address(value: str) -> str:
    from email_validator import EmailNotValidError, validate_email

    try:
        found = validate_email(value, check_deliverability=False, test_environment=True, allow_smtputf8=False)
    except EmailNotValidError as error:
        raise ValueError(f"{error}") from None
    return found.ascii_email or found.normalized


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _holidays(place: str) -> str:
    from holidays import country_holidays  # takes a moment to load, and few need it

    country, _, part = place.partition("-")
    try:
        country_holidays(country, subdiv=part or None)
    except NotImplementedError:
        message = f"no holidays are known for `{place}`."
        raise ValueError(f"{message} Use a country, or a country and its part, such as US, DE-BY or CA-ON.") from None
    return place


Zone = Annotated[str, AfterValidator(_zone)]
Holidays = Annotated[str, Field(pattern=r"^[A-Z]{2}(-[A-Z0-9]{1,3})?$"), AfterValidator(_holidays)]
HttpUrl = Annotated[str, AfterValidator(_http_url)]
HttpFeed = Annotated[str, Field(pattern=r"^https?://[^\s/?#@]+(/[^\s#]*)?$", max_length=2_000)]
Line = Annotated[str, AfterValidator(_one_line)]
Address = Annotated[str, AfterValidator(_address)]


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
    """The folder for `kind = "outbox"`, relative to the workspace."""

    path: str = "var/outbox"


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
        if host and host != "localhost" and not _is_loopback(host):
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


@dataclass(frozen=True)
class Workspace:
    """A newsroom's folder: its settings and where its things lie."""

    root: Path
    settings: Settings

    @property
    def issues(self) -> Path:
        return self.root / "issues"

    @property
    def segments(self) -> Path:
        return self.root / "segments"

    @property
    def segment_names(self) -> tuple[str, ...]:
        """The segments there are: one file each."""
        return tuple(sorted(path.stem for path in self.segments.glob("*.toml")))

    @property
    def builds(self) -> Path:
        return self.root / "var" / "builds"

    @property
    def outbox(self) -> Path:
        return self.root / self.settings.outbox.path

    @property
    def locks(self) -> Path:
        """Locks that a killed process releases: who owns an in-flight batch.

        They lie beside an SQLite database, so that all who share it see the same ones, from whichever workspace.
        """
        file = self.store_url.removeprefix("sqlite:///")
        return Path(file).resolve().parent / "locks" if file != self.store_url else self.root / "var" / "locks"

    @cached_property
    def store_url(self) -> str:
        """The database address as SQLAlchemy wants it, a relative SQLite path made absolute."""
        if self.settings.store.url.startswith("postgresql://"):
            return self.settings.store.url.replace("postgresql://", "postgresql+psycopg://", 1)
        path = self.settings.store.url.removeprefix("sqlite:///")
        return f"sqlite:///{self.root / path}"

    def theme(self, name: str) -> Path:
        """The folder of a theme: the workspace's own, or the shipped one. Raises NotFound."""
        for folder in (self.root / "templates" / name, shipped("templates") / name):
            if folder.is_dir():
                return folder
        known = {path.name for base in (self.root / "templates", shipped("templates")) for path in base.glob("*/")}
        raise NotFound(f"There is no theme `{name}` in templates/. {did_you_mean(name, known)}")

    def newsletter(self, name: str | None = None) -> tuple[str, NewsletterSettings]:
        """The newsletter of that name; without a name the only one there is. Raises NotFound."""
        known = self.settings.newsletters
        if name is None:
            if len(known) == 1:
                return next(iter(known.items()))
            raise NotFound(f"Which newsletter? Say --newsletter {' | '.join(known)}.")
        if name not in known:
            raise NotFound(f"There is no newsletter `{name}` in {CONFIG_NAME}. {did_you_mean(name, known)}")
        return name, known[name]


def shipped(name: str) -> Path:
    """A file or folder that comes with the program: `templates`, `issues`, `config.example.toml`."""
    package = Path(__file__).parent
    installed = package / "shipped" / name
    return installed if installed.exists() else package.parent / name


def find_workspace(start: Path, named: Path | None = None) -> Path:
    """The workspace's folder: the named one, else the nearest upwards with a config.toml, else `start`."""
    chosen = named or (Path(os.environ[WORKSPACE_VARIABLE]) if os.environ.get(WORKSPACE_VARIABLE) else None)
    if chosen is not None:
        return chosen.resolve()
    start = start.resolve()
    for folder in (start, *start.parents):
        if (folder / CONFIG_NAME).is_file():
            return folder
    return start


def open_workspace(root: Path) -> Workspace:
    """Read and check a workspace's settings. Raises NotFound without a config.toml, InputError for what is wrong."""
    path = root / CONFIG_NAME
    if path.is_dir():
        raise NotFound(
            f"{path} is a folder, and must be the file with the settings. Move it away, then write that file."
        )
    if not path.is_file():
        raise NotFound(f"There is no {CONFIG_NAME} in {root}. Make a workspace with: newsletter init DIR")
    config = _read(path)
    if "keys" in config.data:
        remedy = f"Move [keys] to {SECRETS_NAME} (mode 0600, never committed)."
        raise InputError([Problem(config.place(["keys"]), f"secrets do not belong in {CONFIG_NAME}.", remedy)])
    if isinstance(smtp := config.data.get("smtp"), dict) and "password" in smtp:
        remedy = f"Move it to [smtp] of {SECRETS_NAME}, or set NEWSLETTER_SMTP__PASSWORD."
        raise InputError([Problem(config.place(["smtp", "password"]), "a password does not belong here.", remedy)])
    if isinstance(store := config.data.get("store"), dict) and _has_password(str(store.get("url", ""))):
        remedy = f"Put `url` into [store] of {SECRETS_NAME}, or set NEWSLETTER_STORE__URL or PGPASSWORD."
        raise InputError([Problem(config.place(["store", "url"]), "a password does not belong here.", remedy)])
    secrets_path = root / SECRETS_NAME
    secrets = _read(secrets_path) if secrets_path.is_file() else None
    if secrets:
        _check_secrets(secrets, secrets_path)
    return Workspace(root, _settings(config, secrets))


@dataclass(frozen=True)
class _Sources(Document):
    """Where each setting came from, so that an error names the file or the variable to mend."""

    secrets: Document | None = None

    def place(self, path: Sequence[str | int]) -> Place:
        for length in range(len(path), 0, -1):
            variable = ENVIRONMENT_PREFIX + "__".join(str(step) for step in path[:length]).upper()
            if variable in {name.upper() for name in os.environ}:
                return Place(f"environment variable {variable}")
        if self.secrets and path and path[0] in self.secrets.data:
            return self.secrets.place(path)
        return super().place(path)


def _has_password(url: str) -> bool:
    """By the look of it: what urlsplit makes of an address with # or / in its password hides it."""
    return re.search(r"://[^:/@]*:[^@]*@|[?&]password=", url) is not None


def _settings(config: Document, secrets: Document | None) -> Settings:
    problems = _unknown_variables()
    merged = _merged(config.data, secrets.data if secrets else {})
    sources = _Sources(config.name, _with_variables(merged), config.text, "toml", secrets=secrets)
    try:
        settings = Settings(**merged)
    except ValidationError as error:
        raise InputError([*problems, *problems_of(error, sources, Settings)]) from None
    except SettingsError as error:
        raise InputError([*problems, *_unreadable_variables(str(error))]) from None
    if problems:
        raise InputError(problems)
    return settings


def _merged(config: dict[str, Any], secrets: dict[str, Any]) -> dict[str, Any]:
    """A table that stands in both is one table, the secret keys winning."""
    both = {
        name: {**config[name], **table}
        for name, table in secrets.items()
        if isinstance(table, dict) and isinstance(config.get(name), dict)
    }
    return {**config, **secrets, **both}


def _with_variables(data: dict[str, Any]) -> dict[str, Any]:
    """The data with the keys that variables set, so that an error in one of them has a path."""
    full = copy.deepcopy(data)
    for variable in os.environ:
        if variable.upper().startswith(ENVIRONMENT_PREFIX):
            here = full
            for step in variable[len(ENVIRONMENT_PREFIX) :].lower().split("__"):
                here = here.setdefault(step, {})
                if not isinstance(here, dict):
                    break
    return full


def _unknown_variables() -> list[Problem]:
    """NEWSLETTER_ variables that set nothing: a typing error must not be silently without effect."""
    problems = []
    for variable in sorted(os.environ):
        if not variable.upper().startswith(ENVIRONMENT_PREFIX) or variable == WORKSPACE_VARIABLE:
            continue
        first = variable[len(ENVIRONMENT_PREFIX) :].split("__")[0].lower()
        if first not in Settings.model_fields:
            remedy = did_you_mean(first, Settings.model_fields)
            problems.append(Problem(Place(f"environment variable {variable}"), f"unknown setting `{first}`.", remedy))
    return problems


def _unreadable_variables(said: str) -> list[Problem]:
    """The variable that was given a bare word where a table or a list belongs; the library names only the field."""
    found = re.search(r'field "(\w+)"', said)
    field = found[1] if found else ""
    variable = f"{ENVIRONMENT_PREFIX}{field.upper()}"
    if not field or variable not in {name.upper() for name in os.environ}:
        return [Problem(Place("environment"), f"{said}.")]
    key = {"transport": "KIND", "store": "URL", "newsletters": "DAILY__NAME"}.get(field, "KEY")
    remedy = f"Set one of its keys, such as {variable}__{key}, or write it as JSON."
    return [Problem(Place(f"environment variable {variable}"), f"`{field}` is a table, not a word.", remedy)]


def _check_secrets(secrets: Document, path: Path) -> None:
    problems = [
        Problem(secrets.place([key]), f"unknown key `{key}`.", "Known: keys, smtp, store.")
        for key in secrets.data
        if key not in ("keys", "smtp", "store")
    ]
    if os.name == "posix" and path.stat().st_mode & 0o077:
        problems.append(Problem(Place(secrets.name), "other users can read it.", f"Run: chmod 600 {path}"))
    if problems:
        raise InputError(problems)


def _read(path: Path) -> Document:
    try:
        return read_toml(path.read_text(encoding="utf-8-sig"), path.name)
    except UnicodeDecodeError as error:
        line = path.read_bytes()[: error.start].count(b"\n") + 1
        raise InputError([Problem(Place(path.name, line), "is not UTF-8 text.", "Save the file as UTF-8.")]) from None
