"""What each answer of Amazon SES means for one hand-over, as data.

The question is never "did it fail" but "may it have become a mail". Only what SES surely did not take may be tried
again; where the answer was lost, the verdict is UNKNOWN and events decide.
"""

from __future__ import annotations

from dataclasses import replace

from botocore import exceptions as aws
from botocore.exceptions import BotoCoreError, ClientError

from newsletter.transports.mail import Answer, Verdict

_RETRY, _REFUSED, _STOP, _UNKNOWN = Verdict.RETRY, Verdict.REFUSED, Verdict.STOP, Verdict.UNKNOWN
_THROTTLED = Answer(_RETRY, throttled=True)
_QUOTA = Answer(_RETRY, quota_spent=True)

# Per entry of SendBulkEmail. The documentation's prose spells some names differently; both are here.
STATUSES: dict[str, Answer] = {
    "ACCOUNT_THROTTLED": _THROTTLED,
    "TRANSIENT_FAILURE": Answer(_RETRY),
    "ACCOUNT_DAILY_QUOTA_EXCEEDED": _QUOTA,
    "MESSAGE_REJECTED": Answer(_REFUSED),
    "INVALID_PARAMETER": Answer(_REFUSED),
    "INVALID_PARAMETER_VALUE": Answer(_REFUSED),
    "MAIL_FROM_DOMAIN_NOT_VERIFIED": Answer(_STOP),
    "CONFIGURATION_SET_NOT_FOUND": Answer(_STOP),
    "CONFIGURATION_SET_DOES_NOT_EXIST": Answer(_STOP),
    "TEMPLATE_NOT_FOUND": Answer(_STOP),
    "TEMPLATE_DOES_NOT_EXIST": Answer(_STOP),
    "INVALID_SENDING_POOL_NAME": Answer(_STOP),
    "ACCOUNT_SUSPENDED": Answer(_STOP),
    "ACCOUNT_SENDING_PAUSED": Answer(_STOP),
    "CONFIGURATION_SET_SENDING_PAUSED": Answer(_STOP),
    # FAILED says nothing of whether the mail left; like a status of the future it is left to the events.
    "FAILED": Answer(_UNKNOWN),
}

# Error codes of a whole call.
CODES: dict[str, Answer] = {
    "TooManyRequestsException": _THROTTLED,
    "ThrottlingException": _THROTTLED,
    "Throttling": _THROTTLED,
    "LimitExceededException": Answer(_STOP),  # unless its text names the rate or the quota: see TEXTS
    "MessageRejected": Answer(_REFUSED),
    "BadRequestException": Answer(_REFUSED),
    "MailFromDomainNotVerifiedException": Answer(_STOP),
    "SendingPausedException": Answer(_STOP),
    "AccountSuspendedException": Answer(_STOP),
    "NotFoundException": Answer(_STOP),
    "InternalServiceErrorException": Answer(_UNKNOWN),
    "InternalFailure": Answer(_UNKNOWN),
    "ServiceUnavailable": Answer(_UNKNOWN),
    "RequestTimeout": Answer(_UNKNOWN),
}

# A text that says more than its code, for these codes only; the first that fits.
_SAYS_MORE = {"TooManyRequestsException", "ThrottlingException", "Throttling", "LimitExceededException"}
TEXTS: tuple[tuple[str, Answer], ...] = (
    ("daily message quota exceeded", _QUOTA),
    ("maximum sending rate exceeded", _THROTTLED),
    ("sending rate", _THROTTLED),
    ("rate exceeded", _THROTTLED),
    ("daily", _QUOTA),
)

# What the network did; the first class that fits. Anything else botocore raises comes from before the call.
LOST: tuple[tuple[type[Exception], Answer], ...] = (
    (aws.EndpointConnectionError, Answer(_RETRY)),  # refused, or the name is not known: nothing was written
    (aws.ConnectTimeoutError, Answer(_RETRY)),
    (aws.ProxyConnectionError, Answer(_RETRY)),
    (aws.SSLError, Answer(_UNKNOWN)),  # unless the handshake failed: see `of_exception`
    (aws.ReadTimeoutError, Answer(_UNKNOWN)),
    (aws.ConnectionClosedError, Answer(_UNKNOWN)),
    (aws.HTTPClientError, Answer(_UNKNOWN)),
    (aws.ConnectionError, Answer(_UNKNOWN)),
    (aws.IncompleteReadError, Answer(_UNKNOWN)),
    (aws.ResponseStreamingError, Answer(_UNKNOWN)),
)
_HANDSHAKE = ("CERTIFICATE_VERIFY_FAILED", "WRONG_VERSION_NUMBER", "HANDSHAKE_FAILURE", "UNKNOWN_PROTOCOL")


def of_exception(error: BotoCoreError | ClientError, *, recipients: int = 1) -> Answer:
    """What a call's exception says of its recipients."""
    if isinstance(error, ClientError):
        code = str(error.response.get("Error", {}).get("Code", ""))
        text = str(error.response.get("Error", {}).get("Message", ""))
        status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
        return of_code(code, text, status=status, recipients=recipients)
    known = next((answer for kind, answer in LOST if isinstance(error, kind)), None)
    if isinstance(error, aws.SSLError) and any(word in str(error) for word in _HANDSHAKE):
        known = Answer(_RETRY)
    if isinstance(error, aws.NoCredentialsError | aws.PartialCredentialsError):
        return Answer(_STOP, reason=NO_CREDENTIALS)
    return replace(known or Answer(_STOP), reason=f"{type(error).__name__}: {error}")


NO_CREDENTIALS = (
    "There are no usable AWS credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, or give "
    "this machine a role that may call ses:SendEmail, ses:SendBulkEmail, ses:GetAccount and the email templates."
)


def of_code(code: str, text: str, *, status: int, recipients: int = 1) -> Answer:
    """What an error code means. A call for many that is refused as a whole says nothing of any one of them: STOP."""
    answer = CODES.get(code) or _of_status(status)
    if code in _SAYS_MORE:
        answer = next((found for words, found in TEXTS if words in text.lower()), answer)
    if code == "MessageRejected" and "not verified" in text.lower():
        answer = Answer(_STOP)  # the sender's own address, or the sandbox: everyone after would be refused too
    if answer.verdict is _REFUSED and recipients > 1:
        answer = Answer(_STOP)
    return replace(answer, reason=f"{code}: {text}" if text else code)


def of_status(status: str, text: str) -> Answer:
    """What one entry's status of SendBulkEmail means (SUCCESS is the caller's)."""
    answer = STATUSES.get(status, STATUSES["FAILED"])
    return replace(answer, reason=f"{status}: {text}" if text else status)


def _of_status(status: int) -> Answer:
    if status == 429:
        return _THROTTLED
    if status == 413:
        return Answer(_REFUSED)
    if status >= 500 or status in {0, 408}:
        return Answer(_UNKNOWN)
    return Answer(
        _STOP
    )  # a 4xx we do not know (keys, rights, clock, wrong address): surely not taken, a person must look
