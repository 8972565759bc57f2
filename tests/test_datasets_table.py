"""CSV files: what a column is taken for, what is learnt from the training rows alone, and what is said of bad ones."""

import json

import numpy as np
import pytest

from pellucid import datasets
from pellucid.datasets import DataError, read_table

PETS = "weight,fur,kind\n4,long,cat\n5,short,cat\n20,long,dog\n30,short,dog\n6,none,cat\n25,long,dog\n"


def write(folder, content, name="table.csv"):
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def whole(data):
    """x and y of all rows, in no particular order."""
    if data.x_val is None:
        return data.x_train, data.y_train
    return np.concatenate([data.x_train, data.x_val]), np.concatenate([data.y_train, data.y_val])


def test_numbers_are_standardised_and_texts_are_one_hot(tmp_path):
    data = datasets.csv(write(tmp_path, PETS), "kind", val_fraction=0)
    assert data.feature_names == ("weight", "fur=long", "fur=none", "fur=short")
    assert data.class_names == ("cat", "dog")
    assert data.task == "classification"
    assert data.x_train.dtype == np.float32
    assert data.y_train.dtype == np.int64
    weights = np.array([4, 5, 20, 30, 6, 25.0])
    order = np.argsort(data.x_train[:, 0])
    expected = np.sort((weights - weights.mean()) / weights.std())
    np.testing.assert_allclose(data.x_train[order, 0], expected, rtol=1e-6)
    assert data.x_train[order, 1:].tolist() == [[1, 0, 0], [0, 0, 1], [0, 1, 0], [1, 0, 0], [1, 0, 0], [0, 0, 1]]
    assert data.y_train[order].tolist() == [0, 0, 0, 1, 1, 1]
    json.dumps(dict(data.facts))


def test_scaling_knows_the_training_rows_alone(tmp_path):
    rng = np.random.default_rng(0)
    rows = "".join(f"{a:.6f},{10 * a + 3:.6f}\n" for a in rng.normal(5, 2, 200))
    data = datasets.csv(write(tmp_path, "a,b\n" + rows), "b", val_fraction=0.4, seed=1)
    assert data.task == "regression"
    assert data.y_train.shape == (120, 1)
    assert data.y_train.dtype == np.float32
    for part in (data.x_train, data.y_train):
        assert abs(part.mean()) < 1e-6
        assert abs(part.std() - 1) < 1e-6
    assert data.x_val is not None and data.y_val is not None
    assert abs(data.x_val.mean()) > 1e-3  # its own mean was not used
    mean, std = data.facts["feature_mean"]["a"], data.facts["feature_std"]["a"]
    restored = data.x_val[:, 0] * std + mean
    targets = data.y_val[:, 0] * data.facts["target_std"] + data.facts["target_mean"]
    np.testing.assert_allclose(targets, 10 * restored + 3, rtol=1e-5)


def test_a_category_met_only_in_validation_is_all_zero(tmp_path):
    path = write(tmp_path, "colour,y\n" + "".join(f"c{i},{i % 2}\n" for i in range(10)))
    data = datasets.csv(path, "y", val_fraction=0.3, categorical=["colour"])
    assert data.x_train.shape == (7, 7)
    assert data.x_train.sum() == 7
    assert data.x_val is not None and data.x_val.shape == (3, 7)
    assert not data.x_val.any()
    assert data.facts["unseen_categories"] == 3
    assert len(data.facts["unseen"]["colour"]) == 3
    assert "only in validation: c" in data.facts["table"][0]["note"]


def test_the_same_seed_gives_the_same_rows(tmp_path):
    path = write(tmp_path, "a,y\n" + "".join(f"{i},{i % 3}\n" for i in range(60)))
    first, same, other = (datasets.csv(path, "y", seed=seed) for seed in (4, 4, 5))
    assert first.x_val is not None and same.x_val is not None and other.x_val is not None
    np.testing.assert_array_equal(first.x_val, same.x_val)
    assert not np.array_equal(first.x_val, other.x_val)


def test_a_constant_column_is_zero_and_not_nan(tmp_path):
    data = datasets.csv(write(tmp_path, "a,b,y\n" + "0.1,1,x\n0.1,2,z\n" * 4), "y")
    assert not data.x_train[:, 0].any()
    assert np.isfinite(whole(data)[0]).all()


TARGETS = [
    ("texts", ["no", "yes"] * 5, "classification", ("no", "yes")),
    ("whole numbers, sorted as numbers", ["10", "9"] * 5, "classification", ("9", "10")),
    ("whole numbers with a point", ["1.0", "2.0"] * 5, "classification", ("1", "2")),
    ("negative classes", ["-1", "1"] * 5, "classification", ("-1", "1")),
    ("real numbers", ["0.5", "1"] * 5, "regression", ()),
    ("counts", [str(i) for i in range(10)], "regression", ()),
    ("many whole numbers", [str(i % 30) for i in range(90)], "regression", ()),
]


@pytest.mark.parametrize(("cells", "task", "names"), [row[1:] for row in TARGETS], ids=[row[0] for row in TARGETS])
def test_the_task_is_guessed_from_the_target(tmp_path, cells, task, names):
    path = write(tmp_path, "a,y\n" + "".join(f"{i},{cell}\n" for i, cell in enumerate(cells)))
    data = datasets.csv(path, "y")
    assert (data.task, data.class_names) == (task, names)
    assert data.facts["task_because"] in data.description


def test_the_task_may_be_said(tmp_path):
    path = write(tmp_path, "a,y\n" + "1,0.5\n2,1\n" * 5)
    assert datasets.csv(path, "y", task="classification").class_names == ("0.5", "1")
    path = write(tmp_path, "a,y\n" + "1,0\n2,1\n" * 5)
    assert datasets.csv(path, "y", task="regression").y_train.shape == (8, 1)


def test_a_number_may_be_a_category(tmp_path):
    path = write(tmp_path, "zip,y\n" + "10115,a\n20095,b\n" * 5)
    assert datasets.csv(path, "y").feature_names == ("zip",)
    assert datasets.csv(path, "y", categorical=["zip"]).feature_names == ("zip=10115", "zip=20095")


@pytest.mark.parametrize(
    ("cells", "kind"),
    [
        (["01067", "10115"], "category"),
        (["7", "007"], "category"),
        (["01", "02", "00"], "category"),
        (["0171", "none"], "category"),
        (["0", "10"], "number"),
        (["0.5", "00.7"], "number"),
        (["-07", "12"], "number"),
        ([*map(str, range(8, 48)), "07"], "number"),
    ],
)
def test_codes_with_a_zero_before_are_categories(tmp_path, cells, kind):
    path = write(tmp_path, "code,x,y\n" + "".join(f"{cell},{i},{'ab'[i % 2]}\n" for i, cell in enumerate(cells * 5)))
    data = datasets.csv(path, "y")
    row = next(row for row in data.facts["table"] if row["name"] == "code")
    assert row["kind"] == kind
    assert ("--numeric code takes them for numbers" in row["note"]) == (kind == "category")
    if kind == "category":
        assert set(data.facts["categories"]["code"]) == set(cells)


def test_codes_may_be_numbers_all_the_same(tmp_path):
    path = write(tmp_path, "code,y\n" + "007,01\n010,02\n" * 5)
    data = datasets.csv(path, "y", numeric=["code"])
    assert data.feature_names == ("code",)
    assert data.class_names == ("01", "02")
    assert datasets.csv(path, "y", numeric=["y"]).class_names == ("1", "2")
    with pytest.raises(DataError, match="'code' cannot be categorical and numeric"):
        datasets.csv(path, "y", numeric=["code"], categorical=["code"])
    with pytest.raises(DataError, match=r"no column 'cod' to be taken as numbers.*Did you mean 'code'"):
        datasets.csv(path, "y", numeric=["cod"])


def test_codes_of_which_each_is_another_are_left_out_with_a_sentence(tmp_path):
    path = write(tmp_path, "code,x,y\n" + "".join(f"{i:05d},{i % 7},{'ab'[i % 2]}\n" for i in range(40)))
    row = next(row for row in datasets.csv(path, "y").facts["table"] if row["name"] == "code")
    assert row["role"] == "left out"
    assert "--categorical code keeps it; --numeric code takes it for numbers" in row["note"]


@pytest.mark.parametrize(
    ("numbers", "said"),
    [
        ([*range(100), 10**6], "1 value lies far from the others, such as 1000000"),
        ([*range(99), -(10**6), 10**5], "2 values lie far from the others, such as -1000000"),
        ([*range(100), 300], ""),
        ([0] * 99 + [10**6, 2], ""),
    ],
)
def test_numbers_far_from_the_others_are_told(tmp_path, numbers, said):
    path = write(tmp_path, "x,y\n" + "".join(f"{number},{'ab'[i % 2]}\n" for i, number in enumerate(numbers)))
    (row,) = (row for row in datasets.csv(path, "y").facts["table"] if row["name"] == "x")
    assert row["note"] == said


FORMS = [
    ("byte order mark", b"\xef\xbb\xbf" + PETS.encode()),
    ("CRLF", PETS.replace("\n", "\r\n")),
    ("old Mac", PETS.replace("\n", "\r")),
    ("quoted", PETS.replace("long", '"long"').replace("weight", '"weight"')),
    ("spaces", PETS.replace(",", " , ")),
    ("semicolons", PETS.replace(",", ";")),
    ("tabs", PETS.replace(",", "\t")),
    ("empty lines", PETS.replace("5,short", "\n5,short") + "\n\n"),
    ("no newline at the end", PETS.rstrip("\n")),
]


@pytest.mark.parametrize("content", [row[1] for row in FORMS], ids=[row[0] for row in FORMS])
def test_forms_that_mean_the_same(tmp_path, content):
    expected = datasets.csv(write(tmp_path, PETS, "pets.csv"), "kind")
    data = datasets.csv(write(tmp_path, content), "kind")
    assert data.feature_names == expected.feature_names
    np.testing.assert_array_equal(data.x_train, expected.x_train)
    np.testing.assert_array_equal(data.y_train, expected.y_train)


def test_quoted_cells_may_hold_separators_quotes_and_lines(tmp_path):
    cells = ['"a, b"', '"say ""x"""', '"two\nlines"']
    path = write(tmp_path, "text,y\n" + "".join(f"{cell},{i % 2}\n" for i, cell in enumerate(cells * 4)))
    data = datasets.csv(path, "y", val_fraction=0)
    assert data.feature_names == ("text=a, b", 'text=say "x"', "text=two\nlines")


# name, content, target, words of the message
ERRORS = [
    ("bad cell", "a,b,y\n1,2,u\n3,x4,v\n5,6,u\n", "y", r"row 3, column 'b': 'x4' is not a number"),
    ("bad cell below an empty line", "a,y\n1,u\n\n2,v\nx,u\n", "y", r"row 5, column 'a': 'x' is not a number"),
    ("bad cell in the target", "a,y\n1,0.5\n2,1.5\n3,o\n", "y", r"row 4, column 'y': 'o' is not a number"),
    ("infinite", "a,y\n1,u\ninf,v\n3,u\n", "y", r"row 3, column 'a': 'inf' is not a number"),
    ("underscore", "a,y\n1,u\n1_000,v\n3,u\n", "y", r"'1_000' is not a number"),
    ("empty cell", "a,y\n1,u\n,v\n3,u\n", "y", r"row 3, column 'a' is empty: fill it in"),
    ("NaN", "a,y\n1,u\nNaN,v\n3,u\n", "y", r"row 3, column 'a' holds 'NaN' for a missing value"),
    ("empty text", "a,y\nx,u\n,v\nz,u\n", "y", r"row 3, column 'a' is empty"),
    ("empty class", "a,y\n1,u\n2,\n3,v\n", "y", r"row 3, column 'y' is empty"),
    ("empty target", "a,y\n1,\n2,\n", "y", r"the target 'y' holds no value in any row"),
    ("no target", PETS, "Kindd", r"no column 'Kindd' to be the target; .* weight, fur, kind\. Did you mean 'kind'\?"),
    ("no target, none near", PETS, "price", r"its columns are: weight, fur, kind\.$"),
    ("target not said", PETS, None, r"no column None to be the target; its columns are"),
    ("empty file", "", "y", r"is empty: a header row"),
    ("blank file", " \n\n", "y", r"is empty: a header row"),
    ("header alone", "a,y\n", "y", r"has 0 rows below its header: at least 2"),
    ("one row", "a,y\n1,u\n", "y", r"has 1 row below its header"),
    ("no header", "1,2\n3,4\n", "y", r"first row must name the columns, and holds only numbers \(1, 2\)"),
    (
        "title",
        "Report,,\n,,\nx,a,y\n1,2,u\n",
        "y",
        r"names 1 of 3 columns \(Report\): is it a title, and the header below",
    ),
    ("duplicate", "a,b,a,y\n1,2,3,u\n", "y", r"columns 1 and 3 are both named 'a' and hold other cells: rename"),
    ("a semicolon too many", "a;y\n1;u\n2;v;w\n", "y", r"row 3 has 3 cells .*a text with a semicolon needs quotes"),
    ("short row", "a,b,y\n1,2,u\n3,v\n", "y", r"row 3 has 2 cells where the header names 3 columns: a separator"),
    ("long row", "a,y\n1,u\n2,v,w\n", "y", r"row 3 has 3 cells where the header names 2 columns: a text with"),
    ("a title", "Of May\na,y\n1,u\n", "y", r"row 2 has 2 .* names 1 column: does 'Of May' name .* Else remove"),
    ("open quote", 'a,y\n1,"u\n2,v\n', "y", r"not well-formed CSV .*quotation mark left open"),
    ("target alone", "y\n1\n2\n", "y", r"no column but the target 'y'"),
    ("one class", "a,y\n1,u\n2,u\n3,u\n4,u\n", "y", r"'u' in every row: there is nothing to learn"),
    (
        "identifier",
        "a,y\n" + "".join(f"n{i},{i % 2}\n" for i in range(400)),
        "y",
        r"'a' holds 400 different texts in 400 rows",
    ),
    ("not UTF-8", "a,y\n1,é\n".encode("latin-1"), "y", r"not UTF-8 text: byte 0xe9 in line 2"),
]


@pytest.mark.parametrize(("content", "target", "words"), [row[1:] for row in ERRORS], ids=[row[0] for row in ERRORS])
def test_errors_say_what_and_where(tmp_path, content, target, words):
    path = write(tmp_path, content)
    with pytest.raises(DataError, match=words) as raised:
        datasets.csv(path, target)
    assert str(path) in str(raised.value)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"task": "ranking"}, "'classification' or 'regression', received 'ranking'"),
        ({"task": "regression"}, "holds texts, and a regression needs numbers"),
        ({"categorical": ["furr"]}, r"no column 'furr' to be taken as categories.* Did you mean 'fur'\?"),
        ({"val_fraction": 2}, "less than 1, received 2"),
        ({"seed": -3}, "received -3"),
    ],
)
def test_options_that_cannot_be(tmp_path, options, words):
    with pytest.raises(DataError, match=words):
        datasets.csv(write(tmp_path, PETS), "kind", **options)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(DataError, match=r"there is no file .*pets\.csv: check the path"):
        datasets.csv(tmp_path / "pets.csv", "kind")
    with pytest.raises(DataError, match="cannot be read"):
        datasets.csv(tmp_path, "kind")


@pytest.mark.parametrize(
    ("content", "names", "row"),
    [
        ("# of May\na,y\n1,u\n", ["a", "y"], 3),
        ("# of May\n# in volts, and amperes, too\na;y\n1;u\n", ["a", "y"], 4),
        ("# x,y\n1.5,2\n", ["x", "y"], 2),  # as NumPy writes a header
        ("#note\n#x\ty\n1.5\t2\n", ["x", "y"], 3),
        ("# x,y\nu,v\n", ["# x", "y"], 2),  # texts: which of the two lines is the header?
        ("#1,y\n", ["#1", "y"], None),
    ],
)
def test_comments_above_the_header(tmp_path, content, names, row):
    table = read_table(write(tmp_path, content), header=True)
    assert list(table.columns) == names
    assert table.row_numbers[:1] == ([row] if row else [])
