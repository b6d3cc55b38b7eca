"""SMTP: what each reply of a relay means, and that no relay, however it behaves, doubles or loses a mail."""

from __future__ import annotations

import re
import socket
import threading
from base64 import b64encode
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from relay import CLOSE, SILENCE, Relay, aiosmtpd, certificate, check, scripted

from newsletter.errors import Refused
from newsletter.settings import SmtpSettings
from newsletter.transports import smtp_connections
from newsletter.transports.mail import Answer, Mail, Recipient, Verdict
from newsletter.transports.smtp import SmtpTransport
from newsletter.transports.smtp_wire import Timeouts

Reader = Callable[..., Recipient]
ACCEPTED, REFUSED, RETRY = Verdict.ACCEPTED, Verdict.REFUSED, Verdict.RETRY
UNKNOWN, STOP = Verdict.UNKNOWN, Verdict.STOP
SOON = Timeouts(connect=5, reply=0.3, end=0.3)


@pytest.fixture
def relay() -> Iterator[Relay]:
    with scripted() as found:
        yield found


@pytest.fixture
def way(relay: Relay) -> Iterator[SmtpTransport]:
    transport = to(relay.port)
    yield transport
    transport.close()


def to(port: int, *, timeouts: Timeouts | None = None, **settings: Any) -> SmtpTransport:
    known = {"security": "none", "hello": "news.example.org", "connections": 1, **settings}
    return SmtpTransport(SmtpSettings(host="127.0.0.1", port=port, **known), timeouts=timeouts)


def verdicts(answers: list[Answer]) -> list[Verdict]:
    return [answer.verdict for answer in answers]


# -- what is on the wire ----------------------------------------------------------------------------------------------


def test_a_mail_costs_one_round_trip_where_the_relay_takes_groups(
    relay: Relay, way: SmtpTransport, mail: Mail, reader: Reader
) -> None:
    """A relay that answers nothing before a whole group has come, the next mail's behind the last one's end."""
    relay.holds_back = 3
    answers = way.hand_over(mail, [reader(), reader(), reader()])
    assert verdicts(answers) == [ACCEPTED] * 3
    assert relay.verbs == [["EHLO", *["MAIL", "RCPT", "DATA"] * 3]]


def test_a_relay_without_groups_is_spoken_to_step_by_step(
    relay: Relay, way: SmtpTransport, mail: Mail, reader: Reader
) -> None:
    relay.features = []
    relay.says["RCPT"] = [b"550 5.1.1 no such user"]
    assert verdicts(way.hand_over(mail, [reader(), reader()])) == [REFUSED, ACCEPTED]
    assert relay.verbs == [["EHLO", "MAIL", "RCPT", "RSET", "MAIL", "RCPT", "DATA"]]


def test_the_envelope_names_the_newsletter_the_reader_and_the_size(
    relay: Relay, way: SmtpTransport, mail: Mail, reader: Reader
) -> None:
    one = reader()
    (answer,) = way.hand_over(replace(mail, text=".hidden\n..\n"), [one])
    undone = relay.mails[0].replace(b"\r\n..", b"\r\n.")
    size = len(relay.mails[0])
    assert relay.commands[0][:3] == [
        "ehlo news.example.org",
        f"MAIL FROM:<daily@news.example.org> SIZE={size}",
        "RCPT TO:<ann@example.org>",
    ]
    assert answer == Answer(ACCEPTED, f"<{one.tag}@news.example.org>")
    assert f"\r\nMessage-ID: {answer.message_id}\r\n".encode() in undone
    assert b"\r\n\r\n.hidden\r\n..\r\n" in undone
    assert b"\r\n\r\n..hidden\r\n...\r\n" in relay.mails[0]
    assert undone.isascii()
    assert undone.count(b"\n") == undone.count(b"\r\n") == undone.count(b"\r")


def test_a_connection_is_kept_from_call_to_call(relay: Relay, way: SmtpTransport, mail: Mail, reader: Reader) -> None:
    for _ in range(3):
        assert verdicts(way.hand_over(mail, [reader()])) == [ACCEPTED]
    way.close()
    assert relay.verbs == [["EHLO", *["MAIL", "RCPT", "DATA"] * 3]]


def test_a_connection_that_lay_idle_is_asked_first(
    relay: Relay, way: SmtpTransport, mail: Mail, reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(smtp_connections, "IDLE", 0.0)
    way.hand_over(mail, [reader()])
    way.hand_over(mail, [reader()])
    relay.says["NOOP"] = [b"421 4.4.2 you were away too long"]
    assert verdicts(way.hand_over(mail, [reader()])) == [ACCEPTED]
    assert relay.verbs[0][4:] == ["NOOP", "MAIL", "RCPT", "DATA", "NOOP"]
    assert relay.verbs[1] == ["EHLO", "MAIL", "RCPT", "DATA"]


@pytest.mark.parametrize("ending", [CLOSE, b"421 4.7.0 too many mails in one connection"])
@pytest.mark.parametrize("features", [[], [b"PIPELINING"]])
def test_a_connection_the_relay_ends_between_two_mails_is_opened_anew(
    relay: Relay, way: SmtpTransport, mail: Mail, reader: Reader, ending: bytes, features: list[bytes]
) -> None:
    relay.features = features
    relay.says["MAIL"] = [b"250 ok", b"250 ok", ending]
    readers = [reader() for _ in range(4)]
    assert verdicts(way.hand_over(mail, readers)) == [ACCEPTED] * 4
    assert len(relay.commands) == 2
    assert len(relay.mails) == 4


# -- what each reply means --------------------------------------------------------------------------------------------

REPLIES = [
    # step, reply, verdict, throttled, quota spent
    ("RCPT", b"550 5.1.1 <ann@example.org>: no such user", REFUSED, False, False),
    ("RCPT", b"553 malformed address", REFUSED, False, False),
    ("RCPT", b"552 5.2.2 mailbox exceeds its daily limit", REFUSED, False, False),
    ("RCPT", b"554 5.7.1 <ann@example.org>: Relay access denied", STOP, False, False),
    ("RCPT", b"530 5.7.0 Authentication required", STOP, False, False),
    ("RCPT", b"503 bad sequence", STOP, False, False),
    ("RCPT", b"450 4.7.1 greylisted, come back in five minutes", RETRY, False, False),
    ("RCPT", b"450 4.2.1 is getting mail at a rate that prevents more", RETRY, False, False),
    ("RCPT", b"452 4.5.3 too many recipients this hour", RETRY, True, False),
    ("RCPT", b"550 5.4.5 Daily user sending limit exceeded", RETRY, False, True),
    ("RCPT", b"250-fine\r\n250 indeed", ACCEPTED, False, False),
    ("RCPT", b"251 will forward", ACCEPTED, False, False),
    ("MAIL", b"550 5.7.1 sender not known here", STOP, False, False),
    ("MAIL", b"552 5.3.4 message too big", STOP, False, False),
    ("MAIL", b"451 4.3.0 try again", RETRY, False, False),
    ("MAIL", b"451 4.7.0 slow down", RETRY, True, False),
    ("MAIL", b"421 4.7.0 closing", RETRY, True, False),
    ("DATA", b"451 4.3.0 no room", RETRY, False, False),
    ("DATA", b"554 5.7.1 not today", REFUSED, False, False),
    ("DATA", b"250 this makes no sense", RETRY, False, False),
    ("END", b"250 2.0.0 queued as 7F3A", ACCEPTED, False, False),
    ("END", b"554 5.7.1 looks like spam", REFUSED, False, False),
    ("END", b"452 4.3.1 insufficient storage", RETRY, False, False),
    ("END", b"451 4.7.1 sending rate exceeded", RETRY, True, False),
    ("END", b"421 4.3.2 going down", RETRY, True, False),
    ("END", b"354 go on", UNKNOWN, False, False),
]


@pytest.mark.parametrize("features", [[], [b"PIPELINING"]])
@pytest.mark.parametrize(("step", "said", "verdict", "throttled", "quota_spent"), REPLIES)
def test_each_reply_has_its_verdict_and_the_mail_goes_over_once(
    relay: Relay,
    way: SmtpTransport,
    mail: Mail,
    reader: Reader,
    features: list[bytes],
    step: str,
    said: bytes,
    verdict: Verdict,
    throttled: bool,
    quota_spent: bool,
) -> None:
    relay.features = features
    relay.says[step] = [said]
    (answer,) = way.hand_over(mail, [reader()])
    assert (answer.verdict, answer.throttled, answer.quota_spent) == (verdict, throttled, quota_spent)
    assert len(relay.mails) == (step == "END" or verdict is ACCEPTED)
    if verdict is not ACCEPTED:
        assert said.decode() in answer.reason or said.decode().rstrip(".") in answer.reason


def test_one_readers_own_trouble_does_not_keep_the_others_waiting(
    relay: Relay, way: SmtpTransport, mail: Mail, reader: Reader
) -> None:
    relay.says["RCPT"] = [b"550 5.1.1 gone", b"250 ok", b"450 4.2.0 later", b"250 ok"]
    answers = way.hand_over(mail, [reader() for _ in range(4)])
    assert verdicts(answers) == [REFUSED, ACCEPTED, RETRY, ACCEPTED]
    assert len(relay.commands) == 1


def test_a_relay_that_wants_a_mail_for_nobody_gets_none(
    relay: Relay, way: SmtpTransport, mail: Mail, reader: Reader
) -> None:
    relay.says["RCPT"] = [b"550 5.1.1 gone"]
    relay.says["DATA"] = [b"354 go on"]
    assert verdicts(way.hand_over(mail, [reader(), reader()])) == [REFUSED, ACCEPTED]
    assert len(relay.mails) == 1
    assert len(relay.commands) == 2


def test_trouble_of_the_relays_leaves_those_behind_untried(
    relay: Relay, way: SmtpTransport, mail: Mail, reader: Reader
) -> None:
    relay.says["MAIL"] = [b"250 ok", b"452 4.3.1 disk full"]
    answers = way.hand_over(mail, [reader() for _ in range(4)])
    assert verdicts(answers) == [ACCEPTED, RETRY, RETRY, RETRY]
    assert answers[3].reason == "Not tried, because of the one before: 452 4.3.1 disk full"
    assert len(relay.mails) == 1


def test_a_connection_that_was_told_to_close_is_not_used_again(
    relay: Relay, way: SmtpTransport, mail: Mail, reader: Reader
) -> None:
    """Even by a relay that says so and leaves it open."""
    relay.says["MAIL"] = [b"421 4.3.2 closing"]
    assert verdicts(way.hand_over(mail, [reader()])) == [RETRY]
    assert verdicts(way.hand_over(mail, [reader()])) == [ACCEPTED]
    assert len(relay.commands) == 2


def test_a_mail_that_the_relay_takes_for_nobody_stops_rather_than_condemn_its_readers(
    relay: Relay, way: SmtpTransport, mail: Mail, reader: Reader
) -> None:
    relay.says["END"] = [b"554 5.7.1 looks like spam"] * 2
    relay.says["RCPT"] = [b"250 ok", b"550 5.1.1 gone"]
    answers = way.hand_over(mail, [reader(), reader("gone@example.org"), reader()])
    assert verdicts(answers) == [STOP, REFUSED, STOP]
    assert "refuses the mail itself: 554 5.7.1 looks like spam" in answers[0].reason


# -- answers that are lost --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("features", [[], [b"PIPELINING"]])
@pytest.mark.parametrize("lost", [CLOSE, SILENCE, b"hello?", b"25", b"250-" + b"x" * 20_000, b"250-x\r\n" * 4_000])
def test_silence_after_the_end_of_a_mail_is_unknown_and_the_rest_is_untried(
    relay: Relay, mail: Mail, reader: Reader, lost: bytes, features: list[bytes]
) -> None:
    relay.features = features
    relay.says["END"] = [b"250 ok", lost]
    answers = to(relay.port, timeouts=SOON).hand_over(mail, [reader() for _ in range(4)])
    assert verdicts(answers) == [ACCEPTED, UNKNOWN, RETRY, RETRY]
    assert answers[1].reason
    assert len(relay.mails) == 2


@pytest.mark.parametrize("features", [[], [b"PIPELINING"]])
@pytest.mark.parametrize("lost", [CLOSE, SILENCE, b"hello?", b"250-" + b"x" * 20_000])
@pytest.mark.parametrize("step", ["GREETING", "EHLO", "MAIL", "RCPT", "DATA"])
def test_silence_before_it_is_certainly_no_mail(
    relay: Relay, mail: Mail, reader: Reader, step: str, lost: bytes, features: list[bytes]
) -> None:
    relay.features = features
    relay.says[step] = [lost]
    answers = to(relay.port, timeouts=SOON).hand_over(mail, [reader(), reader()])
    assert verdicts(answers) == [RETRY, RETRY]
    assert not any(answer.throttled for answer in answers)
    assert relay.mails == []


def test_a_connection_lost_in_the_middle_of_a_mail_is_certainly_no_mail(mail: Mail, reader: Reader) -> None:
    long = replace(mail, text="word " * 2_000_000)
    with socket.create_server(("127.0.0.1", 0)) as server:

        def cut() -> None:
            connection, _ = server.accept()
            with connection:
                connection.sendall(b"220 relay\r\n")
                connection.recv(1024)
                connection.sendall(b"250-relay\r\n250 PIPELINING\r\n")
                connection.recv(1024)
                connection.sendall(b"250 ok\r\n250 ok\r\n354 go on\r\n")
                connection.recv(100_000)

        talk = threading.Thread(target=cut)
        talk.start()
        answers = to(server.getsockname()[1]).hand_over(long, [reader(), reader()])
        talk.join()
    assert verdicts(answers) == [RETRY, RETRY]


def test_a_relay_that_answers_more_than_it_was_asked_is_not_believed(
    relay: Relay, way: SmtpTransport, mail: Mail, reader: Reader
) -> None:
    """Its next "250" would be taken for the mail's."""
    relay.says["DATA"] = [b"354 go on\r\n250 2.0.0 queued"]
    relay.says["END"] = [CLOSE]
    assert verdicts(way.hand_over(mail, [reader()])) == [RETRY]
    assert relay.mails == []


def test_a_relay_that_is_not_there_was_certainly_given_nothing(mail: Mail, reader: Reader) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening
        transport = to(taken.getsockname()[1])
        assert verdicts(transport.hand_over(mail, [reader(), reader()])) == [RETRY, RETRY]
        with pytest.raises(Refused, match=r"cannot be used: connection refused\. Check \[smtp\] host and port"):
            transport.quota()


def test_a_relays_words_cannot_move_the_cursor(relay: Relay, way: SmtpTransport, mail: Mail, reader: Reader) -> None:
    relay.says["RCPT"] = ["550-5.1.1 \x1b[2J\x07no\r\n550 such\u202e \tuser ".encode() + b"\xff" + b"x" * 900]
    (answer,) = way.hand_over(mail, [reader()])
    assert answer.verdict is REFUSED
    assert answer.reason.startswith("550 5.1.1 [2J no such user")
    assert answer.reason.isprintable()
    assert len(answer.reason) <= 310


# -- letting us in ----------------------------------------------------------------------------------------------------


def test_the_rate_that_is_set_is_what_the_relay_allows(relay: Relay) -> None:
    quota = to(relay.port, rate=12.5).quota()
    assert (quota.rate, quota.left_today, quota.warnings) == (12.5, None, ())
    assert relay.verbs == [["EHLO"]]


GREETINGS = [(b"554 5.7.1 your network is listed", STOP, False), (b"421 4.7.0 busy", RETRY, True)]


@pytest.mark.parametrize(("said", "verdict", "throttled"), GREETINGS)
def test_a_relay_may_refuse_to_talk(
    relay: Relay, way: SmtpTransport, mail: Mail, reader: Reader, said: bytes, verdict: Verdict, throttled: bool
) -> None:
    relay.says["GREETING"] = [said, said]
    (answer,) = way.hand_over(mail, [reader()])
    assert (answer.verdict, answer.throttled) == (verdict, throttled)
    with pytest.raises(Refused, match=re.escape(said.decode())):
        way.quota()


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Path]:
    return certificate(tmp_path_factory.mktemp("tls"))


def test_a_relay_that_offers_no_encryption_gets_nothing_where_it_is_wanted(
    relay: Relay, mail: Mail, reader: Reader
) -> None:
    transport = to(relay.port, security="starttls", username="daily", password=SecretStr("open sesame"))
    (answer,) = transport.hand_over(mail, [reader()])
    assert answer.verdict is STOP
    assert "STARTTLS" in answer.reason
    with pytest.raises(Refused, match="offers no STARTTLS"):
        transport.quota()
    assert relay.verbs == [["EHLO"], ["EHLO"]]


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_a_relay_nobody_vouches_for_gets_neither_password_nor_mail(
    tls: tuple[Any, Path], mail: Mail, reader: Reader, security: str
) -> None:
    shown, _ = tls
    options = {"ssl": shown} if security == "tls" else {"tls_context": shown}
    with aiosmtpd(**options) as relay:
        transport = to(relay.port, security=security, username="daily", password=SecretStr("open sesame"))
        (answer,) = transport.hand_over(mail, [reader()])
        with pytest.raises(Refused, match="its certificate is not to be trusted"):
            transport.quota()
    assert answer.verdict is STOP
    assert "SSL_CERT_FILE" in answer.reason
    assert relay.envelopes == []


def test_a_certificate_for_another_name_is_not_believed(
    tmp_path: Path, mail: Mail, reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown, trusted = certificate(tmp_path, host="127.0.0.9")
    monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
    with aiosmtpd(ssl=shown) as relay:
        (answer,) = to(relay.port, security="tls").hand_over(mail, [reader()])
    assert answer.verdict is STOP
    assert "127.0.0.1" in answer.reason


def test_tls_with_a_relay_that_speaks_plainly_stops(relay: Relay, mail: Mail, reader: Reader) -> None:
    (answer,) = to(relay.port, security="tls").hand_over(mail, [reader()])
    assert answer.verdict is STOP
    assert "Check [smtp] port and security" in answer.reason


def test_words_slipped_in_before_tls_are_not_listened_to(
    relay: Relay, tls: tuple[Any, Path], mail: Mail, reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody on the line puts words behind the relay's own: taken for an answer they would shift all that follow."""
    relay.tls, trusted = tls
    monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
    relay.features = [b"STARTTLS"]
    relay.says["STARTTLS"] = [b"220 go\r\n250-forged\r\n250 PIPELINING"]
    transport = to(relay.port, security="starttls")
    assert verdicts(transport.hand_over(mail, [reader()])) == [ACCEPTED]
    transport.close()


PASSWORDS = [("open sesame", None), ("wrong sesame", "535"), ("öpen sesame", "plain ASCII")]


@pytest.mark.parametrize(("password", "wrong"), PASSWORDS)
def test_a_password_lets_us_in_and_is_never_shown(
    tls: tuple[Any, Path],
    mail: Mail,
    reader: Reader,
    monkeypatch: pytest.MonkeyPatch,
    password: str,
    wrong: str | None,
) -> None:
    shown, trusted = tls
    monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
    with aiosmtpd(tls_context=shown, require_starttls=True, auth_required=True, authenticator=check) as relay:
        transport = to(relay.port, security="starttls", username="daily", password=SecretStr(password))
        (answer,) = transport.hand_over(mail, [reader()])
        transport.close()
    assert answer.verdict is (STOP if wrong else ACCEPTED)
    assert len(relay.envelopes) == (not wrong)
    assert (wrong or "") in answer.reason
    assert password not in answer.reason + repr(transport.__dict__)


@pytest.mark.parametrize("echo", [b"open sesame", b64encode(b"open sesame"), b64encode(b"\0daily\0open sesame")])
def test_a_relay_that_repeats_the_password_is_not_quoted(relay: Relay, echo: bytes) -> None:
    relay.features = [b"AUTH PLAIN"]
    relay.says["AUTH"] = [b"535 5.7.8 not " + echo]
    with pytest.raises(Refused, match=r"does not take user name and password: 535 5\.7\.8 not \*\*\*"):
        to(relay.port, username="daily", password=SecretStr("open sesame")).quota()


AUTH = [
    (b"454 4.7.0 try later", RETRY),
    (b"535 5.7.8 no", STOP),
    (b"530 5.7.0 TLS first", STOP),
    (b"534 5.7.9 weak", STOP),
    (b"538 5.7.11 TLS first", STOP),
    (b"334 ***", STOP),
    (b"334 " + b64encode("ö".encode("latin-1")), STOP),
]


@pytest.mark.parametrize(("said", "verdict"), AUTH)
@pytest.mark.parametrize("method", [b"AUTH PLAIN", b"AUTH CRAM-MD5"])
def test_trouble_in_logging_in_blames_no_reader(
    relay: Relay, mail: Mail, reader: Reader, said: bytes, verdict: Verdict, method: bytes
) -> None:
    relay.features = [method]
    relay.says["AUTH"] = [said]
    relay.says["*"] = [b"535 5.7.8 no"]
    transport = to(relay.port, username="daily", password=SecretStr("open sesame"), timeouts=SOON)
    (answer,) = transport.hand_over(mail, [reader()])
    assert answer.verdict in {verdict, STOP}
    assert "open sesame" not in answer.reason
    assert relay.mails == []


def test_a_relay_that_takes_no_password_stops(relay: Relay, mail: Mail, reader: Reader) -> None:
    (answer,) = to(relay.port, username="daily", password=SecretStr("x")).hand_over(mail, [reader()])
    assert answer.verdict is STOP
    assert "leave username empty" in answer.reason


def test_a_password_never_goes_over_a_network_in_the_open() -> None:
    settings = SmtpSettings(host="relay.example.org", security="none", username="daily", password=SecretStr("x"))
    with pytest.raises(Refused, match="for everybody to read"):
        SmtpTransport(settings)


def test_mail_in_the_open_is_warned_of(relay: Relay, monkeypatch: pytest.MonkeyPatch) -> None:
    real = socket.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo", lambda _host, *rest, **more: real("127.0.0.1", *rest, **more))
    transport = SmtpTransport(SmtpSettings(host="relay.example.org", port=relay.port, security="none", hello="x"))
    assert "without encryption" in transport.quota().warnings[0]
