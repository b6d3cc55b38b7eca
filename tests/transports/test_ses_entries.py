"""An entry of SendBulkEmail is spliced from a pattern, and is what `json.dumps` writes of the same object."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newsletter.errors import Refused
from newsletter.transports.mail import Mail, Recipient
from newsletter.transports.ses_bulk import MAX_DATA, BulkTemplate

URL = "https://news.example.org/u/1.Zm9v"
ANYTHING = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
AWKWARD = ANYTHING | st.sampled_from(
    ['"', "\\", "\\n", '\\"', "%s", "%%", "{{x}}", "</a>", "🦊 é", "\x00", "a  b", " "]
)


def template(copy: str) -> BulkTemplate:
    return BulkTemplate.of(
        Mail(
            key="k" * 32,
            from_name="Daily",
            from_address="daily@news.example.org",
            reply_to=None,
            subject="Today, {{first_name|you}}",
            html=f'<p>Dear {{{{first_name|reader}}}}, 100 % {copy}</p><a href="{{{{unsubscribe_url}}}}">Leave</a>',
            text=f"Dear {{{{first_name|reader}}}}, {copy}\n{{{{unsubscribe_url}}}}",
            headers=(("List-Unsubscribe", "<{{unsubscribe_url}}>"), ("X-Copy", "100 % {{first_name|reader}}")),
        )
    )


def recipient(name: str) -> Recipient:
    return Recipient("ann@example.org", {"first_name": name, "unsubscribe_url": URL}, "abcdefgh-1-1")


@given(name=AWKWARD, copy=AWKWARD)
def test_whatever_a_reader_is_called_her_entry_is_json_that_holds_her_values(name: str, copy: str) -> None:
    made, reader = template(copy), recipient(name)
    try:
        entry = made.entry(reader)
    except Refused:
        return  # a name that is no header
    said: Any = json.loads(entry)
    assert json.dumps(said) == entry
    assert said["Destination"] == {"ToAddresses": [reader.address]}
    assert said["ReplacementTags"] == [{"Name": "delivery", "Value": reader.tag}]
    assert said["ReplacementHeaders"][0] == {"Name": "List-Unsubscribe", "Value": f"<{URL}>"}
    data = said["ReplacementEmailContent"]["ReplacementTemplate"]["ReplacementTemplateData"]
    values = {**made.texts, **{field: slot.value(reader.fields) for field, slot in made.slots}}
    assert data == json.dumps(values, ensure_ascii=False)


def test_a_reader_whose_values_are_too_long_is_refused_alone() -> None:
    made = BulkTemplate.of(
        Mail("k" * 32, "Daily", "daily@news.example.org", None, "Today", "<p>{{first_name|x}}</p>", "{{first_name|x}}")
    )
    assert made.entry(recipient("a" * (MAX_DATA // 4)))
    assert made.entry(recipient("🦊" * (MAX_DATA // 4)))  # longer as it is written, not as SES counts it
    with pytest.raises(Refused, match="merge fields"):
        made.entry(recipient("a" * (MAX_DATA // 2)))
