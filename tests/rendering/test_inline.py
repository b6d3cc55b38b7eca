"""Invariant 6: inlining loses nothing, or says what it would lose."""

from __future__ import annotations

import re
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from newsletter.errors import InlineError
from newsletter.rendering.inline import inline_css


def page(body: str, css: str = "", head: str = "") -> str:
    return (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>T</title>{head}'
        f"<style>{css}</style></head><body>{body}</body></html>"
    )


def style_of(body: str, css: str) -> str:
    """The style attribute of the first element of the body after inlining."""
    found = re.search(r'<body[^>]*><\w+[^>]*? style="([^"]*)"', inline_css(page(body, css)))
    return found[1] if found else ""


def head_of(css: str, body: str = '<p class="a b">x</p>') -> list[str]:
    return re.findall(r"<style>(.*?)</style>", inline_css(page(body, css)), re.DOTALL)


def test_plain_rules_go_into_style_attributes_and_out_of_the_head() -> None:
    out = inline_css(page('<p class="a">x</p>', ".a { color: #111; margin:0 }"))
    assert '<p class="a" style="color:#111;margin:0">x</p>' in out
    assert "<style" not in out


def test_inlining_twice_changes_nothing_more() -> None:
    once = inline_css(page('<p class="a" style="x:y">x</p>', ".a{color:#111}.a:hover{color:#222}"))
    assert inline_css(once) == once


@pytest.mark.parametrize(
    ("css", "own", "wins"),
    [
        (".a{padding:10px 20px;padding-left:0}.a.b{padding:5px}", "", "padding:5px"),
        (".a{padding:5px}.b{padding-left:0}", "", "padding:5px;padding-left:0"),
        (".b{color:red}.a{color:blue}", "", "color:blue"),
        ("#i{color:red}.a{color:blue}p{color:green}", "", "color:red"),
        ("p.a{color:red}.b{color:blue}", "", "color:red"),
        (".a{color:red!important}.b{color:blue}", "", "color:red"),
        (".a{color:red!important}", "color:blue", "color:red"),
        (".a{color:red!important}", "color:blue!important", "color:blue"),
        (".a{color:red}", "color:blue", "color:blue"),
        (".a{margin-top:1px}", "margin:0", "margin:0"),
        (".a{border:1px solid red}.b{border-left-color:blue}", "", "border:1px solid red;border-left-color:blue"),
        (".a{border-left-color:blue}.b{border:0}", "", "border:0"),
        (".a{border-radius:3px}.b{border:0}", "", "border-radius:3px;border:0"),
        (".a{font-size:9px;line-height:1}.b{font:12px/1.5 x}", "", "font:12px/1.5 x"),
        (
            ".a{background:#333;background:linear-gradient(red,blue)}",
            "",
            "background:#333;background:linear-gradient(red,blue)",
        ),
        (".a{mso-line-height-rule:exactly;-webkit-x:y}", "", "mso-line-height-rule:exactly;-webkit-x:y"),
        ('.a{font-family:"A B",c}', "", "font-family:'A B',c"),
        (".a{width:0pt}", "", "width:0pt"),
        (".z .a{color:red}", "", ""),
    ],
)
def test_the_declaration_that_wins_is_the_one_css_says(css: str, own: str, wins: str) -> None:
    attribute = f' style="{own}"' if own else ""
    assert style_of(f'<p id="i" class="a b"{attribute}>x</p>', css) == wins


def test_first_and_last_children_and_descendants_are_found() -> None:
    out = inline_css(page('<ul class="u"><li>1</li><li>2</li></ul>', ".u > li:first-child{a:b}.u li:last-child{c:d}"))
    assert '<li style="a:b">1</li><li style="c:d">2</li>' in out


def test_what_cannot_be_inlined_stays_word_for_word_in_two_style_sheets() -> None:
    media = "@media (max-width:600px){.a{padding:0 !important}}"
    first, second = head_of(
        f".a:hover{{color:red !important}} @font-face{{font-family:X;src:url(https://example.org/x.woff)}} {media}"
        ":root{color-scheme:light dark} [data-ogsc] .a{color:#fff !important} u + .body .a{e:f} .a,.a::before{g:h}",
        '<p class="a body">x</p>',
    )
    assert first.startswith(media)
    assert ".a:hover{color:red !important}" in first
    assert "@font-face{font-family:X;src:url(https://example.org/x.woff)}" in first
    assert ".a::before{g:h}" in first
    assert second.splitlines() == [
        ":root{color-scheme:light dark}",
        "[data-ogsc] .a{color:#fff !important}",
        "u + .body .a{e:f}",
    ]


def test_rules_for_classes_that_nothing_has_are_dropped_but_not_those_of_clients() -> None:
    assert head_of(".gone:hover{a:b} @media print{.gone{a:b}} .ExternalClass:hover{c:d}") == [
        ".ExternalClass:hover{c:d}"
    ]


def test_a_style_sheet_for_print_stays_one_for_print() -> None:
    out = inline_css(page('<p class="a">x</p>', head='<style media="print">.a{display:none}</style>'))
    assert "<style>@media print{.a{display:none}}</style>" in out
    assert '<p class="a">x</p>' in out


def test_css_variables_are_replaced_by_their_values() -> None:
    css = ":root{--ink:#111;--all:1px var(--gone, var(--ink))}"
    css += ".a{color:var(--ink);border:calc(var(--gone,2px) + 1px) var(--all)}"
    assert style_of('<p class="a">x</p>', css) == "color:#111;border:calc(2px + 1px) 1px #111"


def test_image_sizes_and_colours_as_attributes_are_left_as_the_template_wrote_them() -> None:
    body = '<img width="600" height="300" src="https://example.org/a.png" alt="" class="i"><p class="c">x</p>'
    out = inline_css(page(body, ".i{width:100%;height:auto}.c{background-color:rgba(0,0,0,.5);text-align:center}"))
    assert 'width="600" height="300"' in out
    assert "bgcolor" not in out
    assert "align=" not in out


def test_merge_fields_and_other_template_syntax_come_back_exactly() -> None:
    fields = ['{{first_name|dear <b> "reader"}}', "{{ x }}", "{% if a %}", "*|FNAME|*", "%%name%%", "{{a}}{{b}}"]
    body = "".join(f"<p>{field}</p><a href='https://example.org/{field}'>x</a>" for field in fields)
    body += '<table><tr {{ attributes }}><td style="{{ style }}">zq0qz</td></tr>{% for r in rows %}<tr></tr></table>'
    out = inline_css(page(body, ".a{b:c}"))
    assert [out.count(field) for field in fields] == [body.count(field) for field in fields]
    for kept in ("<tr {{ attributes }}>", 'style="{{ style }}"', "zq0qz", "</tr>{% for r in rows %}<tr>"):
        assert kept in out


def test_conditional_comments_and_vml_are_untouched() -> None:
    vml = '<v:rect fill="true" style="x:y"><style>.a{b:c}</style>'
    ghost = f'<!--[if mso]><table width="600"><tr><td style="padding:0;">{vml}<![endif]-->'
    body = f'{ghost}<!--[if !mso]><!--><p class="a">x</p><!--<![endif]--><!--[if mso]></td></tr></table><![endif]-->'
    out = inline_css(f"<!-- first -->{page(body, '.a{c:d}')}<!-- last -->")
    for comment in (ghost, "<!--[if !mso]><!-->", "<!--<![endif]-->", "<!-- first -->", "<!-- last -->"):
        assert comment in out
    assert '<p class="a" style="c:d">' in out


def test_a_style_in_a_script_a_title_or_an_attribute_is_not_taken_for_one() -> None:
    tricky = "<script>var s = '<style>.a{x:y}</style>';</script>"
    out = inline_css(page(f'<p class="a" title="<style>.a{{x:y}}</style>">x</p>{tricky}', ".a{b:c}"))
    assert tricky in out
    assert 'style="b:c"' in out


def test_addresses_keep_their_meaning() -> None:
    body = '<a href="https://example.org/?a=1&copy=2&amp;b=%20é c">x</a><a href="#"></a><a>y</a>'
    assert 'href="https://example.org/?a=1&amp;copy=2&amp;b=%20%C3%A9%20c"' in inline_css(page(body, ".a{b:c}"))


def test_text_of_any_script_and_every_character_reference_says_the_same() -> None:
    body = "<p>a &lt; b &amp; c&nbsp;d — עברית 👩‍👩‍👧 &copy; 1 < 2 &unknown;</p>"
    out = inline_css(page(body, ".a{b:c}"))
    assert "a &lt; b &amp; c\u00a0d — עברית 👩‍👩‍👧 © 1 &lt; 2 &amp;unknown;" in out


@pytest.mark.parametrize(
    ("html", "words"),
    [
        ("", "nothing to inline"),
        (" \n ", "nothing to inline"),
        ("<?xml version='1.0' encoding='utf-8'?><html></html>", "XML declaration"),
        ("<!DOCTYPE html>", "no element"),
        (page("<span>" * 300 + "x</p><p>the end"), "nests 30"),
        (page("<table><tr><td>" * 86 + "deep" + "</td></tr></table>" * 86 + "<p>the end</p>"), "the parser stops"),
        (page("<!-- never closed"), "never closed"),
        ("<p>x<style>.a{b:c}", "never closed"),
        (page("<![if !mso]>x<![endif]>"), "<!--[if !mso]><!-->"),
        (page("<p>nul \x00 char</p>"), "change the text"),
        (page("<p title='x>y</p>"), "change the text"),
        (page("</3> x"), "comment"),
        (page("x" * 4_000_001), "no mail can be longer"),
        (page('<p class="a" style="{{ s }}">x</p>', ".a{b:c}"), "{{ s }}"),
    ],
)
def test_what_would_be_lost_is_an_error_that_names_it(html: str, words: str) -> None:
    with pytest.raises(InlineError) as caught:
        inline_css(html)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("css", "words"),
    [
        ("@import url(https://example.org/x.css);", "@import"),
        ("@charset 'utf-8';", "@charset"),
        ("@media print{@media (min-width:1px){.a{b:c}}}", "side by side"),
        ("@supports (a:b){@media print{.a{b:c}}}", "side by side"),
        (".a{color:red", "Close every block"),
        (".a{color:red}}", "Close every block"),
        (".a{color}", "no declaration"),
        (".a{color:var(--nowhere)}", "--nowhere"),
        (":root{--x:var(--y);--y:var(--x)}.a{color:var(--x)}", "defined by itself"),
    ],
)
def test_a_style_sheet_that_clients_choke_on_is_an_error_that_names_it(css: str, words: str) -> None:
    with pytest.raises(InlineError) as caught:
        inline_css(page('<p class="a">x</p>', css))
    assert words in str(caught.value)


def test_the_deepest_page_that_the_parser_takes_is_kept_whole() -> None:
    assert "the end" in inline_css(page("<div>" * 240 + "deep" + "</div>" * 240 + "<p>the end</p>"))


def test_nothing_is_ever_fetched(tmp_path: Path) -> None:
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(200)
            self.end_headers()

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        url = f"http://127.0.0.1:{server.server_port}"
        (tmp_path / "x.css").write_text(".a{color:red}", encoding="utf-8")
        for head in (
            f'<link rel="stylesheet" href="{url}/l">',
            f'<link rel="preload STYLESHEET" href="file://{tmp_path}/x.css">',
        ):
            with pytest.raises(InlineError, match="Nothing is fetched"):
                inline_css(page("x", head=head))
        for address in (f"{url}/i", f"file://{tmp_path}/x.css"):
            with pytest.raises(InlineError, match="@import"):
                inline_css(page("x", f"@import '{address}';"))
        images = f'<p class="a"><img src="{url}/img.png" alt=""></p>'
        inline_css(page(images, f".a{{background:url({url}/b)}} @font-face{{src:url({url}/f)}}"))
    finally:
        server.shutdown()
        server.server_close()
    assert asked == []


def test_many_threads_may_inline_at_once() -> None:
    css = "".join(f".c{n}{{margin:{n}px}}" for n in range(30))
    pages = [page("".join(f'<p class="c{n}">{k}</p>' for n in range(30)), css) for k in range(8)]
    results: dict[int, str] = {}

    def work(index: int) -> None:
        results[index] = inline_css(pages[index])

    threads = [threading.Thread(target=work, args=(index,)) for index in range(len(pages))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [results[index] for index in range(len(pages))] == [inline_css(source) for source in pages]
