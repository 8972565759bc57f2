"""How tables write their numbers, gaps and separators: read as a person and as pandas would, or refused by name."""

import io
import json
import re

import numpy as np
import pytest

from pellucid import datasets
from pellucid.datasets import DataError
from pellucid.datasets.numerals import is_date_or_time, numeral
from pellucid.datasets.reading import understand
from pellucid.datasets.sheet import read_table
from pellucid.experiments.importance import columns_of


def write(folder, content, name="table.csv"):
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def quoted(cell):
    return '"' + cell.replace('"', '""') + '"'


def column_of(folder, cells, **options):
    """The column `a` of a table with these cells, and with a second column so that it is a table."""
    rows = "".join(f"{quoted(cell)},{i}\n" for i, cell in enumerate(cells))
    return understand(read_table(write(folder, "a,b\n" + rows)), **options)[1]["a"]


# name, cells, the numbers that they are, decimal mark, unit
NUMBERS = [
    ("plain", ["1", "-2", "+3", "4.5", ".5", "5.", "1e3", "1E-2"], [1, -2, 3, 4.5, 0.5, 5, 1000, 0.01], ".", ""),
    ("whole", ["1", "-2", "30"], [1, -2, 30], "", ""),
    ("decimal comma", ["52,4", "131,02", "7"], [52.4, 131.02, 7], ",", ""),
    ("thousands by commas", ["1,000.50", "2,345,678.9", "12"], [1000.5, 2345678.9, 12], ".", ""),
    ("thousands by points", ["1.000,50", "2.345.678,9"], [1000.5, 2345678.9], ",", ""),
    ("thousands that one cell shows", ["1,234", "1,234,567"], [1234, 1234567], ".", ""),
    ("a decimal comma that one cell shows", ["1,234", "0,5"], [1.234, 0.5], ",", ""),
    ("thousands by points that one cell shows", ["1.234", "1.234.567"], [1234, 1234567], ",", ""),
    ("three decimals, as programs write", ["1.234", "2.500"], [1.234, 2.5], ".", ""),
    ("blanks", ["1 000", "2 345 678,5"], [1000, 2345678.5], ",", ""),
    ("thin and hard blanks", ["1\u2009000", "2\u00a0000", "3\u202f000.5"], [1000, 2000, 3000.5], ".", ""),
    ("apostrophes", ["1'000", "2\u2019345.50"], [1000, 2345.5], ".", ""),
    ("India", ["12,34,567.50", "1,00,000"], [1234567.5, 100000], ".", ""),
    ("dollars", ["$2.50", "-$3", "$1,000.00", "4"], [2.5, -3, 1000, 4], ".", "$"),
    ("euros behind", ["2,50 €", "1.000 €"], [2.5, 1000], ",", "€"),
    ("pounds before", ["£ 2.50", "£10"], [2.5, 10], ".", "£"),
    ("a currency's code", ["USD 5.5", "USD 6"], [5.5, 6], ".", "USD"),
    ("shares", ["5%", "12.5 %", "0"], [0.05, 0.125, 0], ".", "%"),
    ("brackets for a minus", ["(3.2)", "($1,000.00)", "5"], [-3.2, -1000, 5], ".", "$"),
    ("minus behind", ["3.5-", "2"], [-3.5, 2], ".", ""),
    ("other minus signs", ["\u22123.5", "\u20132"], [-3.5, -2], ".", ""),
    ("one unit", ["5 kg", "12.5kg"], [5, 12.5], ".", "kg"),
    ("degrees", ["5 °C", "-2.5°C"], [5, -2.5], ".", "°C"),
    ("exponents with a comma", ["1,5e3", "2e-1"], [1500, 0.2], ",", ""),
]


@pytest.mark.parametrize(("cells", "values", "decimal", "unit"), [r[1:] for r in NUMBERS], ids=[r[0] for r in NUMBERS])
def test_numbers_are_read_as_people_write_them(tmp_path, cells, values, decimal, unit):
    column = column_of(tmp_path, cells)
    assert column.kind == "number"
    np.testing.assert_allclose(column.values, values, rtol=1e-15)
    assert column.unit == unit
    assert decimal in (column.decimal, ".")


@pytest.mark.parametrize(
    "cell",
    [
        "",
        "x",
        "1_000",
        "inf",
        "nan",
        "1.2.3",
        "1,00,0",
        "12 34",
        "--5",
        "(-5)",
        "1/2",
        "0x1F",
        "1e400",
        "-",
        "5 e-",
        "$5€",
    ],
)
def test_texts_that_are_no_numbers(cell):
    found = numeral(cell)
    assert found is None or found.is_word


@pytest.mark.parametrize(("asked", "values"), [(".", [1234, 2500]), (",", [1.234, 2.5])], ids=["point", "comma"])
def test_a_number_with_two_readings_is_read_as_asked_or_refused(tmp_path, asked, values):
    cells = ["1,234", "2,500"]
    np.testing.assert_array_equal(column_of(tmp_path, cells, decimal=asked).values, values)
    with pytest.raises(
        DataError, match=r"row 2, column 'a': '1,234' may be 1234 or 1\.234.*--decimal \. .*--decimal ,"
    ):
        column_of(tmp_path, cells)


GROUPED = [f"{i},{514 + i}" for i in range(1, 11)]


def test_a_column_of_quoted_thousands_is_read_as_such(tmp_path):
    column = column_of(tmp_path, [*GROUPED, "999", "-7"])
    assert column.values[:2].tolist() == [1515, 2516] and column.values[-2:].tolist() == [999, -7]
    assert column.note == "commas mark thousands: 1,515 is 1515"
    later = column_of(tmp_path, ["1,234"], learned={"a": {"kind": "number", "decimal": "."}, "b": {"kind": "number"}})
    assert later.values.tolist() == [1234]


@pytest.mark.parametrize(
    ("cells", "separator"),
    [(GROUPED[:9], ","), ([*GROUPED, "1234"], ","), (GROUPED, ";")],
    ids=["too few", "a number without a mark", "commas do not separate"],
)
def test_what_leaves_thousands_and_decimals_open_is_refused(tmp_path, cells, separator):
    rows = "".join(f"{quoted(cell)}{separator}{i}\n" for i, cell in enumerate(cells))
    with pytest.raises(DataError, match=r"may be 1515 or 1\.515"):
        understand(read_table(write(tmp_path, f"a{separator}b\n{rows}")))


@pytest.mark.parametrize(("other", "value"), [("0,5", 1.234), ("0.5", 1234)])
def test_another_column_says_which_mark_is_the_decimal_one(tmp_path, other, value):
    path = write(tmp_path, f"a;b\n1,234;{other}\n2,500;7\n")
    _, columns = understand(read_table(path))
    assert columns["a"].values[0] == value
    assert "as in 'b'" in columns["a"].note


# name, cells, words of the message
REFUSED = [
    ("two marks in a column", ["52,4", "52.4"], r"row 2, column 'a': '52,4' has a decimal comma .* row 3 .*, '52\.4'"),
    ("two currencies", ["$5", "€6", "$7"], r"row 3, column 'a': '€6' is in '€', where 2 other cells .* in '\$'"),
    ("two units", [f"{i} kg" for i in range(9)] + ["500 g"], r"row 11, column 'a': '500 g' is in 'g'"),
    ("some with a share", ["5%", "6%", "7"], r"row 4, column 'a': '7' has no '%', as 2 other cells"),
]


@pytest.mark.parametrize(("cells", "words"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
def test_what_is_neither_number_nor_category_is_refused(tmp_path, cells, words):
    with pytest.raises(DataError, match=words):
        column_of(tmp_path, cells)
    assert column_of(tmp_path, cells, categorical=["a"]).kind == "category"  # the way out


DATES = [
    "2024-01-31", "2024/1/31", "31.1.2024", "1/31/24", "31-01-2024", "5 Jan 2024", "Jan 5, 2024", "5-Jan-24", "2024-01",
    "2024-01-31T12:30:00Z", "2024-01-31 12:30", "12:30", "12:30:05.5", "1:30 pm", "Mon, 5 Jan 2024", "March 2024",
]  # fmt: skip


# cells of a column, or the reason why it is left out
LEFT_OUT = [
    (["Ann", "Bob", "Cid", "Dan"], r"4 different texts in 4 rows: names\? --categorical a keeps it"),
    (["Ann", "Bob", "Cid", "Ann"], r"3 different texts in 4 rows"),
    (["", "C85", "", "C123", "E46", "", ""], r"4 different texts in 7 rows"),
    (["", "NA", ""], r"no value in any row"),
    (["1/2/2024", "3/4/2024"], r"dates such as 1/2/2024, of which day or month may come first: write 2024-01-31"),
    (["13/2/2024", "2/13/2024"], r"dates such as 13/2/2024"),
]


@pytest.mark.parametrize(("cells", "words"), LEFT_OUT, ids=[str(row[0]) for row in LEFT_OUT])
def test_what_cannot_be_learned_from_is_left_out_with_its_reason(tmp_path, cells, words):
    rows = "".join(f"{cell},{i}\n" for i, cell in enumerate(cells))
    table, columns = understand(read_table(write(tmp_path, "a,b\n" + rows)))
    assert list(columns) == list(table.columns) == ["b"]
    ((name, reason),) = table.notes
    assert name == "a" and re.search(words, reason)
    kept = understand(read_table(write(tmp_path, "a,b\n" + rows)), categorical=["a"], missing="category")[1]
    assert kept["a"].kind == "category"
    with pytest.raises(DataError, match=f"has no column to learn from: column 'a' holds {words}"):
        datasets.csv(write(tmp_path, "a,b\n" + rows), "b", missing="category")


# cells, what they are, and how they are read
MOMENTS = [
    (["2024-01-31", "2024-02-01"], [19753, 19754], "date"),
    (["31.01.2024", "01.02.2024"], [19753, 19754], "date"),
    (["1/31/24", "2/1/24"], [19753, 19754], "month first"),
    (["31-01-2024", "01-02-2024"], [19753, 19754], "day first"),
    (["Mon, 5 Jan 2024", "Jan 6, 2024", "7-Jan-24", "March 2024"], [19727, 19728, 19729, 19783], "date"),
    (["1970-01", "1969-12-31"], [0, -1], "date"),
    (["2024-01-31T12:00:00Z", "2024-01-31 06:00+06:00", "31 Jan 2024 6:00 pm"], [19753.5, 19753, 19753.75], "date"),
    (["12:30", "1:15 pm", "00:00:36"], [12.5, 13.25, 0.01], "time"),
]


@pytest.mark.parametrize(("cells", "numbers", "how"), MOMENTS, ids=[row[0][0] for row in MOMENTS])
def test_dates_are_days_and_times_are_hours(tmp_path, cells, numbers, how):
    column = column_of(tmp_path, cells)
    assert column.date == how
    np.testing.assert_allclose(column.values, numbers)


def test_dates_are_read_later_as_they_were_learned_from(tmp_path):
    rows = "".join(f"{i % 28 + 1}/3/2024,{'' if i == 4 else f'{i % 24}:30'},{'ab'[i % 2]}\n" for i in range(40))
    data = datasets.csv(write(tmp_path, "day,at,kind\n" + rows), "kind", missing="mean")
    told = {row["name"]: (row["kind"], row["holds"]) for row in data.facts["table"]}
    assert told["day"] == ("date", "2024-03-01 to 2024-03-28") and told["at"] == ("time", "00:30 to 23:30")
    new = write(tmp_path, "at,day\n,1/3/2024\n11:30,2/3/2024\n", "new.csv")
    found = datasets.read_features(read_table(new), json.loads(json.dumps(dict(data.facts))))
    mean, std = data.facts["feature_mean"], data.facts["feature_std"]
    days = np.array([19783, 19784])
    assert data.feature_names[1:4] == ("at", "at (sine of the hour)", "at (cosine of the hour)")
    assert data.facts["clocks"] == ["at"] and columns_of(data.feature_names, dict(data.facts)) == {
        "day": [0],
        "at": [1, 2, 3],
    }
    angle = 2 * np.pi * 11.5 / 24
    np.testing.assert_allclose(found[:, 2:], [[0, 0], [np.sin(angle), np.cos(angle)]], rtol=1e-5)
    np.testing.assert_allclose(found[:, 0], (days - mean["day"]) / std["day"], rtol=1e-4)
    np.testing.assert_allclose(found[:, 1], [0, (11.5 - mean["at"]) / std["at"]], rtol=1e-4, atol=1e-6)
    for cell in ("3/13/2024", "soon", "12:30"):
        with pytest.raises(DataError, match=f"row 2, column 'day': '{cell}' is no date with the day first"):
            datasets.read_features(read_table(write(tmp_path, f"at,day\n1:30,{cell}\n", "new.csv")), data.facts)


def test_a_timestamp_is_a_day_and_a_place_on_the_clock(tmp_path):
    rows = "".join(f"2024-01-{i // 4 + 1:02d} {6 * (i % 4):02d}:00,{'ab'[i % 2]}\n" for i in range(40))
    data = datasets.csv(write(tmp_path, "at,kind\n" + rows), "kind")
    circle = np.unique(np.round(data.x_train[:, 1:]), axis=0)
    assert circle.tolist() == [[-1, 0], [0, -1], [0, 1], [1, 0]]
    (note,) = (row["note"] for row in data.facts["table"] if row["name"] == "at")
    assert note == "as days, and on a clock"
    day = "".join(f"2024-01-{i + 1:02d},{'ab'[i % 2]}\n" for i in range(20))
    assert datasets.csv(write(tmp_path, "at,kind\n" + day), "kind").feature_names == ("at",)


@pytest.mark.parametrize("cell", DATES)
def test_dates_and_times_are_known(cell):
    assert is_date_or_time(cell)


def test_names_as_a_target_are_refused(tmp_path):
    path = write(tmp_path, "a,name\n" + "".join(f"{i},n{i}\n" for i in range(40)))
    with pytest.raises(DataError, match=r"'name' holds 40 different texts in 40 rows .*choose another target"):
        datasets.csv(path, "name")
    # Amounts of money are a quantity, however few there are.
    path = write(tmp_path, "a,price\n" + "1,$5\n2,$10\n" * 20)
    assert datasets.csv(path, "price").task == "regression"
    # Few texts that begin with numbers are the names of classes.
    path = write(tmp_path, "a,form\n" + "1,10a\n2,10b\n" * 20)
    assert datasets.csv(path, "form").class_names == ("10a", "10b")


def test_whole_numbers_beyond_float64_stay_apart(tmp_path):
    big = [2**53, 2**53 + 1, 2**64 + 1, 2**64 + 2]
    path = write(tmp_path, "a,y\n" + "".join(f"{i},{big[i % 4]}\n" for i in range(40)))
    data = datasets.csv(path, "y")
    assert data.class_names == tuple(map(str, big))
    with pytest.raises(DataError, match=r"row 3, column 'y': 9007199254740993 and 9007199254740992 \(row 2\) are one"):
        datasets.csv(path, "y", task="regression")
    with pytest.raises(DataError, match="are one number in float64.*--categorical y or"):
        datasets.csv(path, "a")
    assert datasets.csv(path, "a", categorical=["y"]).feature_names == tuple(
        f"y={name}" for name in sorted(map(str, big))
    )


PANDAS_GAPS = ["", "NA", "nan", "NaN", "None", "N/A", "n/a", "null", "NULL", "<NA>", "#N/A"]


@pytest.mark.parametrize("gap", [*PANDAS_GAPS, "?", "-"])
@pytest.mark.parametrize("kind", ["text", "number", "target"])
def test_a_gap_is_no_class_no_category_and_no_number(tmp_path, gap, kind):
    pd = pytest.importorskip("pandas")
    cells = [gap if i % 5 == 2 else (("cat", "dog")[i % 2] if kind != "number" else str(i)) for i in range(40)]
    content = "a,y\n" + "".join(
        f"{i},{cell}\n" if kind == "target" else f"{cell},{i % 2}\n" for i, cell in enumerate(cells)
    )
    path = write(tmp_path, content)
    name = "y" if kind == "target" else "a"
    with pytest.raises(DataError, match=rf"row 4, column '{name}' (is empty|holds .* for a missing value)"):
        datasets.csv(path, "y")
    data = datasets.csv(path, "y", missing="drop", val_fraction=0)
    frame = pd.read_csv(io.StringIO(content), na_values=["?", "-"]).dropna()
    assert len(data.x_train) == len(frame) == 32
    row = next(row for row in data.facts["table"] if row["name"] == name)
    assert row["missing"] == 8
    if kind == "target":
        assert data.class_names == tuple(sorted(frame["y"].unique())) == ("cat", "dog")
    if kind != "number":
        kept = datasets.csv(path, "y", missing="category", val_fraction=0)
        assert len(kept.x_train) == 40
        assert gap in (kept.class_names if kind == "target" else kept.facts["categories"]["a"])


SEPARATORS = [
    ("a quoted separator in the header", '"name, first";age\nAnn;3\nBob;4\n', ["name, first", "age"]),
    ("a comma in each name", "name;age\nDoe, Ann;3\nRoe, Bob;4\n", ["name", "age"]),
    ("a comma in some names", "name\tage\nDoe, Ann\t3\nBob\t4\n", ["name", "age"]),
    ("prose in the header", "name, first;age\nDoe, Ann;3\nRoe, Bob;4\n", ["name, first", "age"]),
    ("decimal commas", "area;price\n52,4;131,02\n60,5;140\n", ["area", "price"]),
    ("semicolons in cells", "a,b\nx;y,1\nz,2\n", ["a", "b"]),
    ("Excel's line", "sep=;\na;b\n1,5;2\n", ["a", "b"]),
    ("Excel's line, quoted, CRLF", '"sep=;"\r\na;b\r\n1,5;2\r\n', ["a", "b"]),
    ("Excel's line with a tab", "sep=\t\na\tb\n1\t2\n", ["a", "b"]),
    ("Excel's line that overrules", "SEP=,\na,b;c\n1,2;3\n", ["a", "b;c"]),
    ("vertical bars", "a|b\n1|2\n", ["a", "b"]),
    ("separators at the end of each line", "a,b,\n1,2,\n3,4,\n", ["a", "b"]),
    ("separators at the end of the rows", "a,b\n1,2,\n3,4,,\n", ["a", "b"]),
    ("rows that are empty", "a,b\n1,2\n,\n3,4\n,,,\n", ["a", "b"]),
    ("quoted lines", '"a\nb",c\n"1\n2",3\n', ["a\nb", "c"]),
    ("UTF-16", "\ufeffa;b\r\n1;ü\r\n".encode("utf-16-le"), ["a", "b"]),
    ("UTF-16, big end first", "\ufeffa;b\n1;ü\n".encode("utf-16-be"), ["a", "b"]),
    ("UTF-16 without its mark", "a;b\n1;ü\n".encode("utf-16-le"), ["a", "b"]),
    ("UTF-32", "a;b\n1;ü\n".encode("utf-32"), ["a", "b"]),
    ("old Mac", "a;b\r1;2\r", ["a", "b"]),
]


@pytest.mark.parametrize(("content", "header"), [row[1:] for row in SEPARATORS], ids=[row[0] for row in SEPARATORS])
def test_the_separator_is_what_divides_the_rows_evenly(tmp_path, content, header):
    table = read_table(write(tmp_path, content))
    assert list(table.columns) == header
    assert all(cells and all(cells) for cells in table.columns.values())


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("a,b;c,d\n1,2;3,4\n5,6;7,8\n", r"separated by commas .* or by semicolons .*sep=,"),
        ("area,price\n52,4,131,02\n", r"row 2 has 4 cells .*a number with a comma needs quotes \(\"52,4\"\)"),
        ("sep=;\na;b\n1;2\n3\n", r"row 4 has 1 cells where the header names 2"),
        (b"a,b\n1,\x00\n", "it holds NUL characters"),
        ("\ufeffa;b".encode("utf-16-le") + b"\n", r"begins as UTF-16 text and does not go on as such"),
        ("a b\n1 2\n", r"no column 'y'.*separated by something else"),
        (
            "5.1,3.5,setosa\n4.9,3.0,virginica\n",
            r"looks like those below it \(5\.1, 3\.5, setosa\).*--no-header",
        ),
        ("Berlin,3,4\nRome,5,6\n", r"no column 'y'.*lack a header row \(--no-header\)\? Its first row holds 3"),
    ],
)
def test_tables_that_cannot_be_divided(tmp_path, content, words):
    with pytest.raises(DataError, match=words):
        datasets.csv(write(tmp_path, content), "y")


@pytest.mark.parametrize(
    ("content", "how"),
    [
        ("a,b\n1,2.5\n-3,4e2\n", {}),
        ("a;b\n1,5;1.000,5\n-3;4\n", {"sep": ";", "decimal": ",", "thousands": "."}),
        ('a,b\n"1,000.5",2\n"12,345",3\n', {"thousands": ","}),
        ("a\tb\r\n1\t2\r\n3\t4\r\n", {"sep": "\t"}),
        ("a|b\n7|.5\n10|5.\n", {"sep": "|"}),
        ('"a";"b"\n"1";"2"\n\n"3";"4"\n', {"sep": ";"}),
        ("a,b\n9007199254740993,1\n9007199254740992,2\n", {}),
        ("a,b\n18446744073709551615,1\n0,2\n", {}),
    ],
)
def test_numbers_equal_those_of_pandas(tmp_path, content, how):
    pd = pytest.importorskip("pandas")
    frame = pd.read_csv(io.StringIO(content), **how)
    _, columns = understand(read_table(write(tmp_path, content)))
    assert list(columns) == list(frame.columns)
    for name, column in columns.items():
        expected = frame[name].tolist()
        assert (list(column.exact) if column.exact else column.values.tolist()) == expected


def test_how_each_column_was_understood_is_in_the_facts(tmp_path):
    rows = "".join(f"{i};{i},5 €;{'ab'[i % 2]};x;n{i};\n" for i in range(20))
    data = datasets.csv(write(tmp_path, "id;price;kind;same;name;\n" + rows), "kind", ignore=["name"])
    found = {row["name"]: row for row in data.facts["table"]}
    assert (found["id"]["role"], found["id"]["note"]) == ("left out", "numbers the rows: an identifier")
    assert (found["price"]["kind"], found["price"]["note"]) == ("number", "in €; decimal comma")
    assert found["kind"]["role"] == "target"
    assert found["same"]["holds"] == "1: x"
    assert (found["name"]["role"], found["name"]["note"]) == ("left out", "as asked, --ignore")
    assert found["column 6"]["note"] == "has neither a name nor a value"
    json.dumps(dict(data.facts))


def test_one_hot_columns_are_a_target(tmp_path):
    rows = "".join(f"{i},{int(i % 2 == 0)},{int(i % 2 == 1)}\n" for i in range(20))
    data = datasets.csv(write(tmp_path, "a,kind_cat,kind_dog\n" + rows), "kind")
    assert data.class_names == ("cat", "dog")
    assert data.feature_names == ("a",)
    with pytest.raises(DataError, match=r"row 22: 2 of the columns kind_cat, kind_dog hold a 1, and exactly one"):
        datasets.csv(write(tmp_path, "a,kind_cat,kind_dog\n" + rows + "1,1,1\n"), "kind")


def test_numbers_too_large_to_scale(tmp_path):
    with pytest.raises(DataError, match="'a' holds numbers up to 1e\\+308, whose deviation no float64 can hold"):
        datasets.csv(write(tmp_path, "a,y\n" + "1e308,0\n-1e308,1\n" * 5), "y")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"decimal": "x"}, r"a decimal mark is '\.' or ',', received 'x'"),
        ({"missing": "keep"}, r"'category' or 'mean' or 'indicator', received 'keep'"),
        ({"ignore": ["z"]}, r"no column 'z' to be ignored"),
        ({"ignore": ["y"]}, r"the target 'y' cannot be ignored"),
    ],
)
def test_options_that_cannot_be(tmp_path, options, words):
    with pytest.raises(DataError, match=words):
        datasets.csv(write(tmp_path, "a,y\n" + "1,0\n2,1\n" * 5), "y", **options)
