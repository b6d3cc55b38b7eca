"""Tables: numbers stand flush, and in plain text a table is columns where they fit and told row by row where not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from issue_by_hand import build
from lxml import html as lxml_html

from newsletter.rendering.plaintext import WIDTH, width_of
from newsletter.rendering.tabular import number_columns, table_lines


@pytest.mark.parametrize(
    ("cells", "numbers"),
    [
        (["1", "22", "333"], True),
        (["1,204", "−3.5", "+7 %", "≈12"], True),
        (["€12.50", "40 kn", "21:30", "–", ""], True),
        (["12 °C", "n/a"], True),
        (["1", "two"], False),
        (["–", ""], False),
        (["October 8"], False),
        (["3rd of many"], False),
    ],
)
def test_a_column_of_numbers_holds_numbers_and_nothing_else(cells: list[str], numbers: bool) -> None:
    assert number_columns([("x", cell) for cell in cells]) == (False, numbers)


def test_columns_stand_under_one_another_their_numbers_flush() -> None:
    assert table_lines(["City", "Rain"], [["Oslo", "9"], ["東京", "12"]], [False, True]).splitlines() == [
        "City  Rain",
        "----  ----",
        "Oslo     9",
        "東京    12",
    ]


def test_a_table_too_wide_is_told_row_by_row_every_value_with_its_column() -> None:
    told = table_lines(["Name", "What", "Note"], [["Ada", "w" * 60, "short"], ["Bob", "y", ""]], [False] * 3)
    assert told == f"Ada\n  What: {'w' * 60}\n  Note: short\n\nBob\n  What: y"


@given(
    st.integers(2, 6).flatmap(
        lambda columns: st.lists(
            st.lists(st.text("ab 12東", max_size=30).map(str.strip), min_size=columns, max_size=columns), min_size=2
        )
    )
)
def test_no_cell_is_lost_and_no_line_is_too_wide(rows: list[list[str]]) -> None:
    told = table_lines(rows[0], rows[1:], number_columns(rows[1:]))
    assert all(width_of(line) <= WIDTH for line in told.splitlines())
    for cell in (cell for row in rows[1:] for cell in row):
        assert "".join(cell.split()) in "".join(told.split())


def test_a_table_has_headings_for_its_columns_and_rows(workspace: object) -> None:
    rows = 'columns = ["City", "mm"]\nrows = [["Oslo", 12.5], ["Bergen", 90]]\n'
    blocks = f'[[blocks]]\ntype = "table"\ncaption = "Rain"\n{rows}'
    built = build(workspace, blocks)  # type: ignore[arg-type]
    [table] = lxml_html.document_fromstring(built.html).xpath("//table[not(@role)]")
    assert table.xpath("string(caption)") == "Rain"
    assert [(th.text, th.get("align")) for th in table.xpath("thead/tr/th[@scope='col']")] == [
        ("City", "left"),
        ("mm", "right"),
    ]
    assert [th.text for th in table.xpath("tbody/tr/th[@scope='row']")] == ["Oslo", "Bergen"]
    assert {td.get("align") for td in table.xpath("tbody/tr/td")} == {"right"}
    assert "City      mm\n------  ----\nOslo    12.5\nBergen    90" in built.text
