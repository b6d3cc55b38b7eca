"""A cell means what its writer meant, whatever a spreadsheet did to it; a date that could mean two days means none."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newsletter.audience.cells import (
    AmbiguousDateError,
    DateOrder,
    clean,
    clean_address,
    harmless,
    order_in,
    read_moment,
)

DAY = datetime(2024, 10, 24)  # noqa: DTZ001 - a cell names no zone


@pytest.mark.parametrize(
    ("cell", "meant"),
    [
        (" a@example.com ", "a@example.com"),
        ('="a@example.com"', "a@example.com"),
        ("mailto:a@example.com", "a@example.com"),
        ("MAILTO:a@example.com", "a@example.com"),
        ("“a@example.com”", "a@example.com"),
        ("„a@example.com“", "a@example.com"),
        ("«a@example.com»", "a@example.com"),
        ("\u00a0a@example.com\u00a0", "a@example.com"),
        ("\u200ba@example.com", "a@example.com"),
        ('"a@example.com"', "a@example.com"),
        ("#N/A", ""),
        ("#REF!", ""),
    ],
)
def test_an_address_is_found_beneath_what_spreadsheets_put_round_it(cell: str, meant: str) -> None:
    assert clean_address(cell) == meant


@pytest.mark.parametrize("cell", ["O'Neill", "=SUM(A1)", "'round midnight", "d”Artagnan", "Null", "#1 fan", '"', "“"])
def test_what_only_looks_damaged_is_left_alone(cell: str) -> None:
    assert clean(cell) == cell


@given(st.text(min_size=1).map(str.strip))
def test_a_cell_made_harmless_is_no_formula_and_reads_back_as_it_was(text: str) -> None:
    written = harmless(text)
    assert not written.startswith(("=", "+", "-", "@", "\t", "\r"))
    if text.startswith(("=", "+", "-", "@", "'=", "''@")):
        assert clean(written) == text


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2024-10-24", DAY),
        ("24.10.2024", DAY),
        ("24/10/2024", DAY),
        ("10/24/2024", DAY),
        ("45589", DAY),
        ("45589.5", DAY.replace(hour=12)),
        ("10/24/2024 3:15 PM", DAY.replace(hour=15, minute=15)),
        ("10/24/2024 12:15 AM", DAY.replace(minute=15)),
        ("24.10.2024 09:30:05", DAY.replace(hour=9, minute=30, second=5)),
        ("07.07.2024", datetime(2024, 7, 7)),  # noqa: DTZ001
        ("7/7/2024", datetime(2024, 7, 7)),  # noqa: DTZ001
        ("03.04.2024", datetime(2024, 4, 3)),  # noqa: DTZ001 - with points the day comes first
        ("2024-10-24 10:54:27", DAY.replace(hour=10, minute=54, second=27)),
        ("2024-10-24T10:00:00.000Z", DAY.replace(hour=10, tzinfo=UTC)),
        ("2024-10-24 10:23:10 UTC", DAY.replace(hour=10, minute=23, second=10, tzinfo=UTC)),
        ("2024-10-24 10:00:00.5 +0000 UTC", DAY.replace(hour=10, microsecond=500_000, tzinfo=UTC)),
        ("2024-10-24 10:00:00 +0200 +0200", DAY.replace(hour=10, tzinfo=timezone(timedelta(hours=2)))),
    ],
)
def test_dates_are_read_as_programs_and_spreadsheets_write_them(text: str, moment: datetime) -> None:
    assert read_moment(text) == moment


@pytest.mark.parametrize(
    "text", ["2024-13-45", "31/31/2024", "13/13/2024", "10/24/24", "1.5E+10", "soon", "24.13.2024", "10/24/2024 25:00"]
)
def test_what_is_no_date_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        read_moment(text)


def test_a_date_that_could_be_two_days_is_read_only_when_the_order_is_known() -> None:
    with pytest.raises(AmbiguousDateError):
        read_moment("03/04/2024")
    assert read_moment("03/04/2024", DateOrder.DAY_FIRST).month == 4
    assert read_moment("03/04/2024", DateOrder.MONTH_FIRST).month == 3


@pytest.mark.parametrize(
    ("column", "proved"),
    [
        (["03/04/2024", "24/10/2024"], DateOrder.DAY_FIRST),
        (["03/04/2024", "10/24/2024 10:00"], DateOrder.MONTH_FIRST),
        (["03/04/2024", "", "soon"], None),
        (["24/10/2024", "10/24/2024"], None),  # written by two hands
        (["24.10.2024", "03/04/2024"], None),
    ],
)
def test_a_column_proves_its_order_or_proves_nothing(column: list[str], proved: DateOrder | None) -> None:
    assert order_in(column) is proved
