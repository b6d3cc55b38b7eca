"""A fault script: what kind of a day the simulator has. One TOML file, or the same as JSON by POST."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from newsletter.documents import decode, read_toml, validate
from newsletter.errors import NotFound
from newsletter.simulator.faults import Fault

Share = float


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class AccountScript(_Table):
    """The account as it is from the start."""

    rate: float | None = Field(default=None, gt=0)  # recipients a second; what the command line says if not given
    daily: float | None = Field(default=None, gt=0)
    sandbox: bool = False
    verified: tuple[str, ...] = ()  # addresses and domains that get mail in the sandbox
    suppressed: tuple[str, ...] = ()  # addresses on the account's suppression list


class RecipientsScript(_Table):
    """What recipients do, as shares of them: the same ones every time, by their address and the seed."""

    bounces: Share = Field(default=0, ge=0, le=1)
    soft_bounces: Share = Field(default=0, ge=0, le=1)
    complaints: Share = Field(default=0, ge=0, le=1)
    delays: Share = Field(default=0, ge=0, le=1)  # DeliveryDelay before the Delivery
    # Only of mails that may be measured:
    opens: Share = Field(default=0, ge=0, le=1)
    clicks: Share = Field(default=0, ge=0, le=1)
    scanners: Share = Field(default=0, ge=0, le=1)  # a machine fetches every link within a second of delivery


class EventsScript(_Table):
    """How events are published, as shares of them (`reversed`: of the messages)."""

    duplicated: Share = Field(default=0, ge=0, le=1)
    lost: Share = Field(default=0, ge=0, le=1)
    late: Share = Field(default=0, ge=0, le=1)
    late_seconds: float = Field(default=60, gt=0, le=86_400)
    reversed: Share = Field(default=0, ge=0, le=1)  # a message's last event comes first


class SnsScript(_Table):
    """How pushed events travel."""

    signature: Literal["1", "2"] = "2"
    retries: int = Field(default=3, ge=0, le=100)
    wait: float = Field(default=0.2, ge=0, le=60)  # seconds before each


class Script(_Table):
    """Everything a script may say."""

    seed: int = 0
    account: AccountScript = AccountScript()
    recipients: RecipientsScript = RecipientsScript()
    events: EventsScript = EventsScript()
    sns: SnsScript = SnsScript()
    faults: tuple[Fault, ...] = ()


def read_script(path: Path) -> Script:
    """Read and check a script. Raises NotFound, and InputError with every problem by its line."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise NotFound(f"The fault script {path} cannot be read: {error.strerror}.") from None
    return validate(Script, read_toml(decode(data, path.name), path.name))
