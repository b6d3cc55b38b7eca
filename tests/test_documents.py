"""Documents: what is read, what is refused, and on which line the message points."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field

from newsletter.documents import Document, decode, did_you_mean, nearest, read_toml, read_yaml, shown, validate
from newsletter.errors import InputError


class Wheel(BaseModel):
    model_config = ConfigDict(extra="forbid")
    type: Literal["wheel"]
    wheel: str  # a key named as the type is
    size: int = Field(default=1, ge=1, le=9)


class Frame(BaseModel):
    model_config = ConfigDict(extra="forbid")
    type: Literal["frame"]
    colour: Literal["red", "green"] = "red"
    paint: Paint | None = None


class Paint(BaseModel):
    model_config = ConfigDict(extra="forbid")
    shade: float
    dry: bool = False


Part = Annotated[Wheel | Frame, Field(discriminator="type")]


class Bicycle(BaseModel):
    model_config = ConfigDict(extra="forbid")
    name: str = Field(min_length=1, max_length=10)
    built: date | None = None
    parts: tuple[Part, ...] = ()


def problems(call: Callable[[], object]) -> list[str]:
    with pytest.raises(InputError) as caught:
        call()
    return [str(problem) for problem in caught.value.problems]


def test_toml_and_yaml_read_to_the_same_values() -> None:
    toml = read_toml('a = "no"\nb = true\nc = 2024-10-10\nd = 3\ne = 1.5\nf = ["x"]\n[g]\nh = "12:30"\n', "a.toml")
    yaml = read_yaml("a: no\nb: true\nc: 2024-10-10\nd: 3\ne: 1.5\nf: [x]\ng:\n  h: 12:30\n", "a.yaml")

    assert toml.data == yaml.data


@pytest.mark.parametrize("written", ["yes", "off", "12:30:00", "007", "1_000", "0x1F", "2024-10-10 06:00", "<<"])
def test_what_yaml_would_turn_into_something_else_stays_text(written: str) -> None:
    assert read_yaml(f"a: {written}\n", "a.yaml").data == {"a": written}


def test_a_yaml_key_without_a_value_counts_as_not_written() -> None:
    assert read_yaml("a:\nb: ~\nc: x\n", "a.yaml").data == {"c": "x"}


def test_an_empty_document_is_an_empty_table() -> None:
    assert read_toml("", "a.toml").data == {}
    assert read_yaml("# nothing yet\n", "a.yaml").data == {}


TOML = """\
name = "x"
[table]
inner = 1
dotted.key = 2
inline = { a = 1, b = { c = 2 } }
list = [
  1,  # one
  { d = 3 },
]
[[entry]]
n = 1
[[entry]]
n = 2
[entry.sub]
deep = 3
[[entry.rows]]
r = 4
["quoted key"]
q = 5
"""

LINES = {
    ("name",): 1,
    ("table",): 2,
    ("table", "inner"): 3,
    ("table", "dotted", "key"): 4,
    ("table", "inline", "b", "c"): 5,
    ("table", "list", 0): 7,
    ("table", "list", 1, "d"): 8,
    ("entry", 0): 10,
    ("entry", 1, "n"): 13,
    ("entry", 1, "sub", "deep"): 15,
    ("entry", 1, "rows", 0, "r"): 17,
    ("quoted key", "q"): 19,
    ("table", "missing"): 2,
    ("entry", 1, "missing"): 12,
    ("missing",): 1,
}


@pytest.mark.parametrize(("path", "line"), LINES.items(), ids=lambda value: str(value))
def test_a_key_of_any_toml_shape_is_found_on_its_line(path: tuple[str | int, ...], line: int) -> None:
    assert read_toml(TOML, "a.toml").place(path).line == line
    assert read_toml(TOML, "a.md", first_line=2).place(path).line == line + 1


def test_a_key_of_a_yaml_text_is_found_on_its_line() -> None:
    document = read_yaml("a: 1\nb:\n  - c: 2\n    d: 3\n  - e\n", "a.yaml", first_line=2)

    assert document.place(["b", 0, "d"]).line == 5
    assert document.place(["b", 1]).line == 6
    assert str(document.place(["b", 0, "missing"])) == "a.yaml:4"


def test_a_byte_order_mark_and_any_line_end_are_read() -> None:
    assert decode(b"\xef\xbb\xbfa\r\nb\rc\n", "a.md") == "a\nb\nc\n"


def test_text_that_is_not_utf8_is_refused_with_its_line() -> None:
    assert problems(lambda: decode(b"one\ntwo\n\xff", "a.md")) == ["a.md:3: is not UTF-8 text. Save the file as UTF-8."]


HOSTILE = {
    "a huge document": "a = '" + "x" * 300_000 + "'",
    "a key of thousands of parts": "a." * 5000 + "a = 1",
    "a number of thousands of digits": "a = " + "9" * 5000,
    "lists in lists without end": "a = " + "[" * 50_000,
    "tables in tables": "a." * 200 + "a = 1",
    "an escaped zero": 'a = "\\u0000"',
    "an escaped zero in a key": '"\\u0000" = 1',
    "an escape sequence for terminals": 'a = "\\u001b[2J"',
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
def test_toml_made_to_do_harm_is_refused_in_one_line(text: str) -> None:
    (message,) = problems(lambda: read_toml(text, "a.toml"))

    assert message.startswith("a.toml:1: ")
    assert len(message) < 200
    assert message.isprintable()


HOSTILE_YAML = {
    "an alias": "a: &x [1]\nb: *x\n",
    "a tag that runs code": "a: !!python/object/apply:os.system ['true']\n",
    "binary data": "a: !!binary aGk=\n",
    "half a character": 'a: "\\ud800"\n',
    "lists in lists without end": "a: " + "[" * 5000,
    "a number of thousands of digits": "a: " + "9" * 5000,
    "a key that is a list": "? [a]\n: b\n",
    "the same key twice": "a: 1\nA: 2\na: 3\n",
    "two documents": "a: 1\n---\nb: 2\n",
    "a huge document": "a: " + "x" * 300_000,
}


@pytest.mark.parametrize("text", HOSTILE_YAML.values(), ids=HOSTILE_YAML.keys())
def test_yaml_made_to_do_harm_is_refused_in_one_line(text: str) -> None:
    (message,) = problems(lambda: read_yaml(text, "a.yaml"))

    assert message.startswith("a.yaml:")
    assert len(message) < 200


@given(st.text(max_size=60) | st.text("ab=[]{}\"'\n.#:-+ 019&*!|>\t\\u,", max_size=60))
def test_no_text_at_all_makes_the_readers_fail_otherwise_than_with_a_message(text: str) -> None:
    for read in (read_toml, read_yaml):
        try:
            places = [read(text, "a").place(["nothing"])]
        except InputError as error:
            places = [problem.place for problem in error.problems]
        assert all(place.line is not None and 1 <= place.line <= text.count("\n") + 1 for place in places)


VALUES = st.recursive(
    st.booleans() | st.integers(-5, 5) | st.text("ab. -", max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=8,
)


def _toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} = {_toml(part)}" for key, part in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",\n".join(_toml(part) for part in value) + "]"
    return f'"{value}"' if isinstance(value, str) else str(value).lower()


@given(st.dictionaries(st.sampled_from(["x", "y z", "w"]), VALUES, min_size=1))
def test_every_key_of_a_document_stands_on_a_line_that_has_it(data: dict[str, Any]) -> None:
    text = "".join(f'\n# a comment\n"{key}" = {_toml(value)}\n' for key, value in data.items())
    document = read_toml(text, "a.toml")

    lines = text.split("\n")
    assert document.data == data
    assert all(f'"{key}" =' in lines[(document.place([key]).line or 0) - 1] for key in data)


def read(text: str) -> Bicycle:
    return validate(Bicycle, read_toml(text, "b.toml"))


def test_a_good_document_becomes_its_model() -> None:
    assert read('name = "Swift"\n[[parts]]\ntype = "wheel"\nwheel = "front"\n').parts[0].type == "wheel"


def test_all_problems_of_a_file_are_said_at_once_in_line_order() -> None:
    found = problems(lambda: read('built = "soon"\ncolour = "red"\n'))

    assert found == [
        "b.toml:1: `name` is missing. Add `name = …`.",
        'b.toml:1: `built` must be a date such as 2024-10-10, not "soon".',
        "b.toml:2: unknown key `colour`. Known: built, name, parts.",
    ]


def test_a_misspelt_required_key_is_one_problem_not_two() -> None:
    assert problems(lambda: read('nmae = "Swift"\n')) == ["b.toml:1: unknown key `nmae`. Did you mean `name`?"]


class Shop(BaseModel):
    model_config = ConfigDict(extra="forbid")
    parts: tuple[Part, ...] = Field(min_length=1)


def tagged(text: str) -> list[str]:
    return problems(lambda: validate(Shop, read_toml(text, "s.toml")))


def test_a_missing_type_names_the_types_and_the_key_that_was_meant() -> None:
    assert tagged('[[parts]]\ntyp = "wheel"\n[[parts]]\nsize = 1\n') == [
        "s.toml:2: `type` is missing. Is `typ` meant to be `type`? Known: frame, wheel.",
        "s.toml:3: `type` is missing. Known: frame, wheel.",
    ]


def test_an_unknown_type_names_the_nearest() -> None:
    assert tagged('[[parts]]\ntype = "weel"\n[[parts]]\ntype = 3\n') == [
        's.toml:2: `type` cannot be "weel". Did you mean `wheel`?',
        "s.toml:4: `type` cannot be 3. Known: frame, wheel.",
    ]


def test_a_key_named_like_its_type_keeps_its_own_line() -> None:
    text = '[[parts]]\ntype = "wheel"\nwheel = 5\nsize = 0\nsise = 1\n'

    assert tagged(text) == [
        's.toml:3: `wheel` must be text, not 5. Put it in quotes: "5".',
        "s.toml:4: `size` must be at least 1, not 0.",
        "s.toml:5: unknown key `sise`. Did you mean `size`?",
    ]


def test_a_nested_table_is_named_by_its_keys() -> None:
    text = '[[parts]]\ntype = "frame"\ncolour = "gren"\n[parts.paint]\nshade = "dark"\ndry = "soon"\n'

    assert tagged(text) == [
        's.toml:3: `colour` cannot be "gren". Did you mean `green`?',
        's.toml:5: `paint.shade` must be a number, not "dark".',
        's.toml:6: `paint.dry` must be true or false, not "soon".',
    ]


def test_one_table_where_several_are_due_says_how_they_are_written() -> None:
    (message,) = tagged('[parts]\ntype = "wheel"\n')

    assert message.startswith('s.toml:1: `parts` must be a list, not { type = "wheel" }.')
    assert message.endswith("Write [[parts]], with two brackets, before each entry.")


def test_lengths_are_said_in_plain_words() -> None:
    assert problems(lambda: read('name = ""\n')) == ["b.toml:1: `name` is empty."]
    assert problems(lambda: read('name = "a very long name"\n')) == [
        "b.toml:1: `name` has 16 characters; at most 10 are allowed."
    ]


def test_the_nearest_word_is_found_whatever_its_capitals() -> None:
    assert nearest("Walls", ["walls", "rails"]) == "walls"
    assert nearest("xyz", ["walls", "rails"]) is None


def test_without_a_near_word_the_known_ones_are_listed_but_not_endlessly() -> None:
    assert did_you_mean("xyz", ["b", "a"]) == "Known: a, b."
    assert did_you_mean("xyz", []) == ""
    assert did_you_mean("xyz", [f"word{number:02}" for number in range(99)]).endswith("word19, ….")


def test_values_are_shown_as_they_are_written() -> None:
    assert shown(True) == "true"
    assert shown(None) == "nothing"
    assert shown(date(2024, 10, 10)) == "2024-10-10"
    assert shown({"a": ["x", 1]}) == '{ a = ["x", 1] }'
    assert shown("\x1b[31m") == '"\\u001b[31m"'
    assert len(shown("x" * 500)) < 62


def test_a_document_that_is_good_never_needs_its_positions(monkeypatch: pytest.MonkeyPatch) -> None:
    """Positions cost a second parse; a file without problems is spared it."""
    monkeypatch.setattr(Document, "_lines", property(lambda _: pytest.fail("positions were looked up")))

    assert read('name = "Swift"\n').name == "Swift"
