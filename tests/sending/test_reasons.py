"""What a provider says is kept as one line that may be shown: some answers are pages of HTML."""

from __future__ import annotations

import pytest

from newsletter.feedback.vocabulary import parse
from newsletter.sending.answers import MAX_REASON, in_a_line, judge
from newsletter.sending.ledger import Claimed
from newsletter.transports.mail import Answer, Verdict

PAGE = """InternalFailure: <!DOCTYPE html>
<html><head><style>b { color: red }</style><title>502 Bad&nbsp;Gateway</title></head>
<body><script>
alert("x < y")
</script><!-- nginx --><h1>Bad Gateway</h1>
</body></html>"""
LINE = "InternalFailure: 502 Bad Gateway Bad Gateway"


@pytest.mark.parametrize("verdict", [Verdict.REFUSED, Verdict.UNKNOWN, Verdict.RETRY, Verdict.STOP])
def test_whatever_was_answered_the_ledger_and_the_send_get_a_line_of_it(verdict: Verdict) -> None:
    found = judge([Claimed(1, 1, 1, "a@example.com", None)], [Answer(verdict, reason=PAGE)], idempotent=False)
    assert found.changes[0].reason == LINE
    assert found.hold is None or found.hold.reason == LINE


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("550 <ann@example.com>: no such user", "550 <ann@example.com>: no such user"),
        ("size 5 < 7 and 9 > 3", "size 5 < 7 and 9 > 3"),
        ("one\r\n two\x1b[31m\u202e", "one two [31m"),
        ("", ""),
    ],
)
def test_words_stay_as_they_are(said: str, shown: str) -> None:
    assert in_a_line(said) == shown


def test_a_line_has_an_end() -> None:
    assert len(in_a_line("word " * 100_000)) == MAX_REASON
    assert len(in_a_line("<" * 1_000_000)) == MAX_REASON


def test_what_an_event_says_is_a_line_too() -> None:
    said = "Attribute 'x' is not present\\n<b>in the rendering data</b>."
    mail = '{"messageId": "m-1", "timestamp": "2024-10-10T11:00:00Z"}'
    event = parse(f'{{"eventType": "Rendering Failure", "mail": {mail}, "failure": {{"errorMessage": "{said}"}}}}')
    assert event.detail == "Attribute 'x' is not present in the rendering data ."
