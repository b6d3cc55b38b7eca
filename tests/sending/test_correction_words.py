"""The words of a correction are held to what a block can carry before anything is on record."""

from __future__ import annotations

import pytest

from newsletter.errors import InputError
from newsletter.sending.correction_words import LONGEST, fit_words


@pytest.mark.parametrize(
    ("was", "is_", "words"),
    [
        ("a bell\x07", "b", "--was: there is a control character"),
        ("a half \udc80", "b", "--was: there is a control character"),
        ("a", "b" * (LONGEST + 1), "--is: it has 2,001 characters"),
        ("a", "Dear {{first_name|reader}}", "--is: a merge field means nothing"),
        ("a", "b {{", "--is: a merge field means nothing"),
        ("a", "see [this](javascript:x)", "--is: "),
        ("a", "\x0b\n", "--is: it says nothing"),
        ("the  same", "the\nsame", "--is: it says the same as --was"),
    ],
)
def test_words_that_no_block_can_carry_are_refused_with_what_to_do(was: str, is_: str, words: str) -> None:
    with pytest.raises(InputError) as refused:
        fit_words(was=was, is_=is_)
    [problem] = refused.value.problems
    assert words in str(refused.value)
    assert problem.remedy


def test_a_soft_line_break_of_a_word_processor_is_a_plain_one() -> None:
    assert fit_words(was=" one\x0btwo\r\nthree\u2028four ", is_="Seoul") == ("one\ntwo\nthree\nfour", "Seoul")
    assert fit_words(was="seoul", is_="Seoul") == ("seoul", "Seoul")
