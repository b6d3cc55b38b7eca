"""Amazon SES: what every answer means, and that each recipient is on the wire at most once."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import boto3
import botocore.session
import pytest

from newsletter.errors import Refused
from newsletter.settings import SesSettings
from newsletter.simulator.server import Running
from newsletter.transports import ses_errors
from newsletter.transports.mail import Answer, Mail, Quota, Recipient, Verdict
from newsletter.transports.ses import SesTransport
from newsletter.transports.ses_bulk import BulkTemplate

Reader = Callable[..., Recipient]
Fault = Callable[..., None]
Accepted = Callable[[str], list[dict[str, Any]]]


class Wire:
    """A server that answers what a test tells it, and counts what reaches it."""

    def __init__(self) -> None:
        self.requests: list[bytes] = []
        self.authorizations: list[str] = []
        self.status, self.headers, self.body = 200, {}, b"{}"  # type: tuple[int, dict[str, str], bytes]
        self.cut: Callable[[socket.socket], None] | None = None
        wire = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                wire.requests.append(self.rfile.read(int(self.headers["Content-Length"])))
                wire.authorizations.append(self.headers["Authorization"])
                if wire.cut:
                    wire.cut(self.connection)
                    self.close_connection = True
                    return
                self.send_response(wire.status)
                for name, value in {**wire.headers, "Content-Length": str(len(wire.body))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(wire.body)

            do_GET = do_POST  # noqa: N815

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def fails(self, code: str, message: str = "", status: int = 400) -> None:
        self.status, self.body = status, json.dumps({"message": message}).encode()
        self.headers = {"x-amzn-ErrorType": f"{code}:http://internal.amazon.com/coral/{code}/"}


@pytest.fixture(scope="module")
def served() -> Iterator[Wire]:
    wire = Wire()
    threading.Thread(target=wire.server.serve_forever, args=(0.01,), daemon=True).start()
    yield wire
    wire.server.shutdown()
    wire.server.server_close()


@pytest.fixture
def wire(served: Wire) -> Wire:
    served.requests.clear()
    served.authorizations.clear()
    served.status, served.headers, served.body, served.cut = 200, {}, b"{}", None
    return served


@pytest.fixture(scope="module")
def raw(served: Wire) -> SesTransport:
    return SesTransport(SesSettings(endpoint_url=served.url, mode="raw"), read_timeout=0.5)


@pytest.fixture(scope="module")
def bulk(served: Wire) -> SesTransport:
    return SesTransport(SesSettings(endpoint_url=served.url, mode="bulk"), read_timeout=0.5)


ERRORS = [
    # code, message, HTTP status, verdict, throttled, quota spent
    ("TooManyRequestsException", "Maximum sending rate exceeded.", 429, Verdict.RETRY, True, False),
    ("TooManyRequestsException", "Daily message quota exceeded.", 429, Verdict.RETRY, False, True),
    ("TooManyRequestsException", "", 429, Verdict.RETRY, True, False),
    ("ThrottlingException", "Rate exceeded", 400, Verdict.RETRY, True, False),
    ("Throttling", "Rate exceeded", 400, Verdict.RETRY, True, False),
    ("LimitExceededException", "Maximum sending rate exceeded.", 400, Verdict.RETRY, True, False),
    ("LimitExceededException", "Daily message quota exceeded.", 400, Verdict.RETRY, False, True),
    ("LimitExceededException", "Too many of something.", 400, Verdict.STOP, False, False),
    ("MessageRejected", "Illegal content.", 400, Verdict.REFUSED, False, False),
    ("MessageRejected", "Email address is not verified. …", 400, Verdict.STOP, False, False),
    ("BadRequestException", "Missing final '@domain'", 400, Verdict.REFUSED, False, False),
    ("MailFromDomainNotVerifiedException", "", 400, Verdict.STOP, False, False),
    ("SendingPausedException", "", 400, Verdict.STOP, False, False),
    ("AccountSuspendedException", "", 400, Verdict.STOP, False, False),
    ("NotFoundException", "Configuration set x does not exist.", 404, Verdict.STOP, False, False),
    ("AccessDeniedException", "not authorized to perform ses:SendEmail", 403, Verdict.STOP, False, False),
    ("ExpiredTokenException", "", 403, Verdict.STOP, False, False),
    ("SomethingNew", "", 400, Verdict.STOP, False, False),
    ("SomethingNew", "", 429, Verdict.RETRY, True, False),
    ("SomethingNew", "", 413, Verdict.REFUSED, False, False),
    ("InternalServiceErrorException", "", 500, Verdict.UNKNOWN, False, False),
    ("InternalFailure", "", 500, Verdict.UNKNOWN, False, False),
    ("ServiceUnavailable", "", 503, Verdict.UNKNOWN, False, False),
    ("SomethingNew", "", 502, Verdict.UNKNOWN, False, False),
    ("SomethingNew", "", 504, Verdict.UNKNOWN, False, False),
]


@pytest.mark.parametrize(("code", "message", "status", "verdict", "throttled", "quota_spent"), ERRORS)
def test_each_error_of_ses_has_its_verdict_after_one_request(
    wire: Wire,
    raw: SesTransport,
    mail: Mail,
    reader: Reader,
    code: str,
    message: str,
    status: int,
    verdict: Verdict,
    throttled: bool,
    quota_spent: bool,
) -> None:
    wire.fails(code, message, status)
    (answer,) = raw.hand_over(mail, [reader()])
    assert (answer.verdict, answer.throttled, answer.quota_spent) == (verdict, throttled, quota_spent)
    assert code in answer.reason
    assert message in answer.reason
    assert len(wire.requests) == 1


@pytest.mark.parametrize("code", ["BadRequestException", "MessageRejected"])
def test_a_bulk_call_refused_whole_stops_rather_than_condemn_fifty_readers(
    wire: Wire, bulk: SesTransport, mail: Mail, reader: Reader, code: str
) -> None:
    wire.fails(code, "something about one of them")
    answers = bulk.hand_over(mail, [reader(), reader()])
    assert [answer.verdict for answer in answers] == [Verdict.STOP, Verdict.STOP]
    assert len(wire.requests) == 1


def test_every_status_of_the_model_and_every_exception_of_sending_has_its_row() -> None:
    model = botocore.session.get_session().get_service_model("sesv2")
    statuses = set(model.shape_for("BulkEmailStatus").enum)
    assert statuses - {"SUCCESS"} <= set(ses_errors.STATUSES)
    for operation in ("SendEmail", "SendBulkEmail"):
        names = {shape.name for shape in model.operation_model(operation).error_shapes}
        assert names <= set(ses_errors.CODES)


STATUSES = [
    ("ACCOUNT_THROTTLED", Verdict.RETRY),
    ("TRANSIENT_FAILURE", Verdict.RETRY),
    ("ACCOUNT_DAILY_QUOTA_EXCEEDED", Verdict.RETRY),
    ("FAILED", Verdict.UNKNOWN),
    ("A_WORD_OF_THE_FUTURE", Verdict.UNKNOWN),
    ("MESSAGE_REJECTED", Verdict.REFUSED),
    ("INVALID_PARAMETER", Verdict.REFUSED),
    ("TEMPLATE_NOT_FOUND", Verdict.STOP),
    ("ACCOUNT_SUSPENDED", Verdict.STOP),
    ("ACCOUNT_SENDING_PAUSED", Verdict.STOP),
    ("CONFIGURATION_SET_SENDING_PAUSED", Verdict.STOP),
]


def test_each_entry_of_a_bulk_call_has_the_verdict_of_its_own_status(
    wire: Wire, bulk: SesTransport, mail: Mail, reader: Reader
) -> None:
    results = [
        {"Status": "SUCCESS", "MessageId": "m-1"},
        *({"Status": status, "Error": "why"} for status, _ in STATUSES),
    ]
    wire.body = json.dumps({"BulkEmailEntryResults": results}).encode()
    answers = bulk.hand_over(mail, [reader() for _ in results])
    assert answers[0] == Answer(Verdict.ACCEPTED, message_id="m-1")
    assert [answer.verdict for answer in answers[1:]] == [verdict for _, verdict in STATUSES]
    assert [answer.reason for answer in answers[1:]] == [f"{status}: why" for status, _ in STATUSES]
    assert [answer.throttled for answer in answers[1:3]] == [True, False]
    assert [answer.quota_spent for answer in answers[1:4]] == [False, False, True]
    assert len(wire.requests) == 1


@pytest.mark.parametrize("mode", ["raw", "bulk"])
@pytest.mark.parametrize("body", [b"", b"{}", b"<html>", b'{"BulkEmailEntryResults": [], "MessageId": ""}'])
def test_an_answer_that_cannot_be_read_is_unknown(
    wire: Wire, raw: SesTransport, bulk: SesTransport, mail: Mail, reader: Reader, mode: str, body: bytes
) -> None:
    wire.body = body
    (answer,) = (raw if mode == "raw" else bulk).hand_over(mail, [reader()])
    assert answer.verdict is Verdict.UNKNOWN
    assert len(wire.requests) == 1


def _close(connection: socket.socket) -> None:
    connection.shutdown(socket.SHUT_RDWR)


def _answer_half(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{")
    connection.shutdown(socket.SHUT_RDWR)


def _never_answer(connection: socket.socket) -> None:
    connection.recv(1)  # until the client gives up


@pytest.mark.parametrize("cut", [_close, _answer_half, _never_answer])
@pytest.mark.parametrize("mode", ["raw", "bulk"])
def test_a_lost_answer_is_unknown_and_is_not_asked_for_again(
    wire: Wire,
    raw: SesTransport,
    bulk: SesTransport,
    mail: Mail,
    reader: Reader,
    mode: str,
    cut: Callable[[socket.socket], None],
) -> None:
    wire.cut = cut
    (answer,) = (raw if mode == "raw" else bulk).hand_over(mail, [reader()])
    assert answer.verdict is Verdict.UNKNOWN
    assert answer.reason
    assert len(wire.requests) == 1


def test_a_refused_connection_was_certainly_not_a_mail(mail: Mail, reader: Reader) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening
        transport = SesTransport(SesSettings(endpoint_url=f"http://127.0.0.1:{taken.getsockname()[1]}"))
        answers = transport.hand_over(mail, [reader(), reader()])
    assert [answer.verdict for answer in answers] == [Verdict.RETRY, Verdict.RETRY]
    assert not any(answer.throttled for answer in answers)


def test_a_server_that_does_not_speak_tls_was_certainly_not_given_a_mail(
    wire: Wire, mail: Mail, reader: Reader
) -> None:
    transport = SesTransport(SesSettings(endpoint_url=wire.url.replace("http:", "https:")))
    (answer,) = transport.hand_over(mail, [reader()])
    assert answer.verdict is Verdict.RETRY
    assert wire.requests == []


def test_a_lost_answer_in_a_raw_batch_leaves_the_others_untried(
    ses: Callable[[str], SesTransport], fault: Fault, accepted: Accepted, mail: Mail, reader: Reader
) -> None:
    readers = [reader() for _ in range(4)]
    fault(do="drop-after-accept", after=1)
    answers = ses("raw").hand_over(mail, readers)
    assert [answer.verdict for answer in answers] == [Verdict.ACCEPTED, Verdict.UNKNOWN, Verdict.RETRY, Verdict.RETRY]
    assert [len(accepted(one.tag)) for one in readers] == [1, 1, 0, 0]


def test_a_lost_bulk_answer_leaves_its_whole_batch_unknown_and_sent_once(
    ses: Callable[[str], SesTransport], fault: Fault, accepted: Accepted, mail: Mail, reader: Reader
) -> None:
    readers = [reader() for _ in range(3)]
    ses("bulk").prepare(mail)
    fault(do="drop-after-accept")
    answers = ses("bulk").hand_over(mail, readers)
    assert {answer.verdict for answer in answers} == {Verdict.UNKNOWN}
    assert [len(accepted(one.tag)) for one in readers] == [1, 1, 1]


@pytest.mark.parametrize("mode", ["raw", "bulk"])
@pytest.mark.parametrize(
    ("do", "verdict", "throttled"),
    [
        ("throttle", Verdict.RETRY, True),
        ("error-500", Verdict.UNKNOWN, False),
        ("drop-before-accept", Verdict.UNKNOWN, False),
    ],
)
def test_a_fault_of_the_simulator_means_what_it_means_at_ses(
    ses: Callable[[str], SesTransport],
    fault: Fault,
    accepted: Accepted,
    mail: Mail,
    reader: Reader,
    mode: str,
    do: str,
    verdict: Verdict,
    throttled: bool,
) -> None:
    one = reader()
    ses(mode).prepare(mail)
    fault(do=do)
    (answer,) = ses(mode).hand_over(mail, [one])
    assert (answer.verdict, answer.throttled) == (verdict, throttled)
    assert accepted(one.tag) == []


def test_a_batch_larger_than_ses_takes_is_not_sent(bulk: SesTransport, wire: Wire, mail: Mail, reader: Reader) -> None:
    answers = bulk.hand_over(mail, [reader() for _ in range(51)])
    assert {answer.verdict for answer in answers} == {Verdict.STOP}
    assert wire.requests == []


# Quota


def test_the_quota_is_the_accounts_with_our_margin(simulator: Running, ses: Callable[[str], SesTransport]) -> None:
    quota = ses("raw").quota()
    assert quota.rate == pytest.approx(100_000 * 0.9)
    assert quota.left_today is not None
    assert 0 < quota.left_today <= 50_000_000
    assert quota.warnings == ()


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        ({"SendQuota": {"Max24HourSend": -1.0, "MaxSendRate": 14.0, "SentLast24Hours": 5.0}}, Quota(12.6, None)),
        ({"SendQuota": {"Max24HourSend": 200.0, "MaxSendRate": 1.0, "SentLast24Hours": 250.0}}, Quota(0.9, 0)),
    ],
)
def test_what_is_left_today_is_never_less_than_nothing(
    fault: Fault, ses: Callable[[str], SesTransport], members: dict[str, object], expected: Quota
) -> None:
    fault(do="account", account=members)
    quota = ses("raw").quota()
    assert quota.rate == pytest.approx(expected.rate)
    assert quota.left_today == expected.left_today


@pytest.mark.parametrize("members", [{"SendingEnabled": False}, {"EnforcementStatus": "SHUTDOWN"}])
def test_an_account_that_may_not_send_is_refused(
    fault: Fault, ses: Callable[[str], SesTransport], members: dict[str, object]
) -> None:
    fault(do="account", account=members)
    with pytest.raises(Refused, match="stopped this account"):
        ses("raw").quota()


def test_an_account_with_a_rate_of_nothing_is_refused(fault: Fault, ses: Callable[[str], SesTransport]) -> None:
    """No slot could ever be reserved for a reader: time would be divided by nothing."""
    fault(do="account", account={"SendQuota": {"Max24HourSend": 200.0, "MaxSendRate": 0.0, "SentLast24Hours": 0.0}})
    with pytest.raises(Refused, match="rate is 0"):
        ses("raw").quota()


def test_an_endpoint_where_nobody_answers_is_refused_with_what_to_check() -> None:
    transport = SesTransport(SesSettings(endpoint_url="http://127.0.0.1:9"), connect_timeout=1)
    with pytest.raises(Refused, match="endpoint_url, and the AWS keys"):
        transport.quota()


@pytest.mark.parametrize(
    ("members", "words"),
    [({"EnforcementStatus": "PROBATION"}, "review"), ({"ProductionAccessEnabled": False}, "sandbox")],
)
def test_an_account_on_probation_or_in_the_sandbox_is_a_warning(
    fault: Fault, ses: Callable[[str], SesTransport], members: dict[str, object], words: str
) -> None:
    fault(do="account", account=members)
    (warning,) = ses("raw").quota().warnings
    assert words in warning


# Settings


def test_missing_credentials_are_refused_with_what_to_do(
    monkeypatch: pytest.MonkeyPatch, mail: Mail, reader: Reader
) -> None:
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    transport = SesTransport(SesSettings(endpoint_url="http://ses.example.org"))  # never reached: nothing to sign with
    with pytest.raises(Refused, match="AWS_ACCESS_KEY_ID"):
        transport.quota()
    (answer,) = transport.hand_over(mail, [reader()])
    assert answer.verdict is Verdict.STOP
    assert "AWS_ACCESS_KEY_ID" in answer.reason


def test_the_standard_endpoint_variable_is_honoured_and_named_in_the_scope(
    monkeypatch: pytest.MonkeyPatch, simulator: Running
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_SESV2", simulator.url)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    transport = SesTransport(SesSettings(region="eu-west-1"))
    assert transport.scope == f"ses:eu-west-1:{simulator.url.removeprefix('http://')}"
    assert transport.quota().rate


def test_the_scope_of_amazon_itself_is_the_region(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    assert SesTransport(SesSettings(region="eu-west-1")).scope == "ses:eu-west-1"


def test_settings_boto3_cannot_use_are_refused_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "no-such-profile")
    with pytest.raises(Refused, match="no-such-profile"):
        SesTransport(SesSettings())


def test_real_keys_are_not_sent_to_a_server_on_this_machine(
    monkeypatch: pytest.MonkeyPatch, wire: Wire, mail: Mail, reader: Reader
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAREALREALREALREAL")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "real")
    transport = SesTransport(SesSettings(endpoint_url=wire.url))
    transport.hand_over(mail, [reader()])
    (authorization,) = wire.authorizations
    assert authorization.startswith("AWS4-HMAC-SHA256 Credential=local/")


# Bulk templates


def test_a_template_somebody_changed_at_ses_is_put_right(
    simulator: Running, ses: Callable[[str], SesTransport], mail: Mail
) -> None:
    own = Mail(**{**mail.__dict__, "subject": "Put right"})
    template = BulkTemplate.of(own)
    keys = {"aws_access_key_id": "x", "aws_secret_access_key": "x", "region_name": "us-east-1"}
    client = boto3.client("sesv2", endpoint_url=simulator.url, **keys)
    ses("bulk").prepare(own)
    client.update_email_template(
        TemplateName=template.name, TemplateContent={"Subject": "Changed", "Text": "x", "Html": "x"}
    )
    ses("bulk").prepare(own)
    assert client.get_email_template(TemplateName=template.name)["TemplateContent"] == template.content


def test_different_copy_under_one_key_is_another_template(mail: Mail) -> None:
    other = Mail(**{**mail.__dict__, "text": mail.text + "."})
    assert BulkTemplate.of(mail).name != BulkTemplate.of(other).name
    assert BulkTemplate.of(mail).name.startswith(mail.key[:31])


def test_every_variable_of_a_template_is_in_its_default_data_and_in_every_entry(mail: Mail, reader: Reader) -> None:
    template = BulkTemplate.of(mail)
    entry = json.loads(template.entry(reader()))
    data = json.loads(entry["ReplacementEmailContent"]["ReplacementTemplate"]["ReplacementTemplateData"])
    assert set(data) == set(json.loads(template.default_data))
    assert {name for name in data if name.startswith("literal_")}


def test_a_mail_too_large_for_a_template_is_refused_with_the_way_out(mail: Mail) -> None:
    with pytest.raises(Refused, match="raw"):
        BulkTemplate.of(Mail(**{**mail.__dict__, "html": "x" * 500_001}))


def test_more_headers_than_ses_takes_are_refused(mail: Mail) -> None:
    headers = tuple((f"X-{number}", "y") for number in range(15))
    with pytest.raises(Refused, match="15"):
        BulkTemplate.of(Mail(**{**mail.__dict__, "headers": headers}))
