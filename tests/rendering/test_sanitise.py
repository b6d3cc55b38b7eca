"""The last gate for copy: only what the policy names gets through."""

from __future__ import annotations

import pytest

from newsletter.rendering.sanitise import clean, normalise, safe_url


@pytest.mark.parametrize(
    ("dirty", "left"),
    [
        ('<p class="MsoNormal" style="color:red">x<o:p></o:p></p>', "<p>x</p>"),
        ("<script>alert(1)</script>x", "x"),
        ("<!--[if mso]>x<![endif]-->y", "y"),
        ('<a href="javascript:x" onclick="y">z</a>', "<a>z</a>"),
        ('<a href="//evil.example">z</a>', "<a>z</a>"),
        ('<a href="ftp://example.org">z</a>', "<a>z</a>"),
        ('<a href="https://example.org">z</a>', '<a href="https://example.org">z</a>'),
        ('<img src="https://example.org/a.png" alt="x">', ""),
        ("<svg><a href='https://example.org'>x</a></svg><iframe></iframe>y", "y"),
        ("<p>a<strong>b", "<p>a<strong>b</strong></p>"),
        ("<h1>x</h1>", "x"),
    ],
)
def test_only_the_policy_gets_through(dirty: str, left: str) -> None:
    assert clean(dirty) == left


def test_a_one_line_field_keeps_no_blocks() -> None:
    assert clean("<p>a <em>b</em></p><ul><li>c</li></ul>", inline=True) == "a <em>b</em>c"


@pytest.mark.parametrize(
    ("written", "whole"),
    [
        (" https://example.org/a b ", "https://example.org/a%20b"),
        ("example.org:8080/x", "https://example.org:8080/x"),
        ("bücher.example", "https://bücher.example"),
        ("https://example.org/?a=1&amp;b=2", "https://example.org/?a=1&b=2"),
        ("HTTPS://EXAMPLE.ORG", "HTTPS://EXAMPLE.ORG"),
        ('https://example.org/"><script>', "https://example.org/%22%3E%3Cscript%3E"),
        ("https://[::1]:99999/", None),
        ("https://exa\nmple.org", "https://example.org"),
        ("javascript:alert(1)//example.org/", None),
        ("java\tscript:alert(1)", None),
        ("page.html", None),
        ("path/page", None),
        ("mailto:", None),
        ("", None),
    ],
)
def test_an_address_is_made_whole_or_refused(written: str, whole: str | None) -> None:
    assert safe_url(written) == whole


def test_line_numbers_survive_normalising() -> None:
    assert normalise("a\r\nb\rc\u2028d\n").count("\n") == 3
