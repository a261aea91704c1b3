"""Tables from files: texts come as they stand there, and what cannot be read is named with its place."""

import csv
import gzip
import io
import json
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from annotation.errors import InputError
from reward_models.pair_files import read_table
from reward_models.pair_sources import read_pairs

COLUMNS = ("prompt", "chosen", "rejected")
ENDINGS = ("jsonl", "json", "csv", "parquet")
# What other readers take for nothing, for a number, for a time, or for the end of a line.
ODD = (
    "None", "NA", "null", "nan", "", "42", "1e3", "true", "2020-01-01", "a\u2028b", "a\x85b", "a\x0bb", "a\r\nb", " a ",
)  # fmt: skip
cells = st.one_of(st.sampled_from(ODD), st.text())


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")


def write_table(path: Path, rows: Sequence[Sequence[str]]) -> Path:
    dicts = [dict(zip(COLUMNS, row, strict=True)) for row in rows]
    if path.suffix == ".csv":
        with path.open("w", encoding="utf-8", newline="") as stream:
            csv.writer(stream).writerows([COLUMNS, *rows])
    elif path.suffix == ".parquet":
        pd.DataFrame(dicts, columns=COLUMNS, dtype="object").to_parquet(path)
    else:
        lines = (json.dumps(row, ensure_ascii=False) + "\n" for row in dicts)
        text = "".join(lines) if path.suffix == ".jsonl" else json.dumps(dicts, ensure_ascii=False, indent=1)
        path.write_text(text, encoding="utf-8", newline="")
    return path


def read(path: Path) -> list[Any]:
    return [tuple(row.cells[column] for column in COLUMNS) for row in read_table(path)]


@pytest.mark.parametrize("ending", ENDINGS)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(st.tuples(cells, cells, cells), min_size=1, max_size=4))
def test_any_text_is_read_as_it_was_written(ending: str, rows: list[tuple[str, str, str]], tmp_path: Path) -> None:
    assert read(write_table(tmp_path / f"table.{ending}", rows)) == rows


@pytest.mark.parametrize("ending", ENDINGS)
def test_odd_texts_come_through_as_pairs(ending: str, tmp_path: Path) -> None:
    rows = [(f"prompt {number}", text, "another") for number, text in enumerate(ODD)]
    pairs = read_pairs(write_table(tmp_path / f"table.{ending}", rows)).preferences
    assert [(pair.prompt, pair.chosen, pair.rejected) for pair in pairs] == rows


def test_json_may_be_lines_a_list_or_objects_of_several_lines_each(tmp_path: Path) -> None:
    rows = [{"prompt": str(number)} for number in range(3)]
    path = tmp_path / "rows.json"
    for text in (
        "\n\n".join(map(json.dumps, rows)),
        "\r\n".join(map(json.dumps, rows)),
        "\ufeff" + "\n".join(map(json.dumps, rows)),
        json.dumps(rows),
        json.dumps(rows, indent=2),
        "\n".join(json.dumps(row, indent=2) for row in rows),
    ):
        path.write_text(text, encoding="utf-8", newline="")
        assert [(row.cells, row.where) for row in read_table(path)] == [
            (row, f"{path}, row {number}") for number, row in enumerate(rows, start=1)
        ]


def test_a_csv_may_begin_with_a_byte_order_mark(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("prompt,chosen,rejected\n\na,b,c\n", encoding="utf-8-sig")
    assert read(path) == [("a", "b", "c")]


def test_a_cell_of_a_csv_may_be_longer_than_an_article(tmp_path: Path) -> None:
    row = ("p", "red " * 50_000, "y")
    assert read(write_table(tmp_path / "long.csv", [row])) == [row]


HEADER = b"prompt,chosen,rejected\n"
LINE = b'{"prompt": "a", "chosen": "b", "rejected": "c"}\n'


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("x.jsonl", b"", " is empty; expected at least one pair."),
        ("x.csv", b"", " is empty; expected at least one pair."),
        ("x.csv", HEADER, " has no rows; expected at least one pair."),
        ("x.json", b"[]", " has no rows; expected at least one pair."),
        ("x.jsonl", LINE + b'{"prompt": "a" "b"}\n',
         ", line 2 is not valid JSON: Expecting ',' delimiter, at character 16."),
        ("x.jsonl", LINE + b'{"prompt": "a",\n' + LINE, ", line 2 is not valid JSON: it ends too early."),
        ("x.jsonl", b'{"prompt": "a",\n', ": what begins in line 1 is not valid JSON: it ends too early."),
        ("x.json", b'{"prompt": "a",\n"chosen": "b",\n"rejected": "c"}\n{\n"prompt" 1\n}',
         ": what begins in line 4 is not valid JSON: Expecting ':' delimiter, at character 10 of line 5."),
        ("x.json", b"[1,2]", ", row 1: expected a JSON object, found 1."),
        ("x.jsonl", LINE + b"null\n", ", row 2: expected a JSON object, found null."),
        ("x.jsonl", LINE + b'{"prompt": "\xe9"}\n',
         ", line 2 is not UTF-8: expected that encoding, found the byte 0xe9."),
        ("x.json", b'[{"prompt":\n"\xe9"}]', ", line 2 is not UTF-8: expected that encoding, found the byte 0xe9."),
        ("x.csv", HEADER + b"a,b,c\nsay \xe9,b,c\n",
         ", line 3 is not UTF-8: expected that encoding, found the byte 0xe9."),
        ("x.csv", HEADER + b"a,b,c\na,b\n", ", line 3: expected 3 cells, as the header has, found 2."),
        ("x.csv", HEADER + b'a,b,"c\n', ", line 2 is not valid CSV: unexpected end of data."),
        ("x.csv", b"prompt,chosen,chosen\n", ": the column 'chosen' stands there twice; expected each once."),
        ("x.parquet", b"no", " is not a Parquet file: Parquet file size is 2 bytes"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_refused_with_its_place(
    name: str, content: bytes, sentence: str, tmp_path: Path
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(InputError) as refusal:
        read_pairs(path)
    assert str(refusal.value).startswith(f"{path}{sentence}")


def test_a_file_nested_too_deeply_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_bytes(LINE + b'{"prompt": ' + b"[" * 100_000)
    with pytest.raises(InputError, match=r"x\.jsonl, line 2 is not valid JSON: maximum recursion depth"):
        read_pairs(path)


# Folders


def test_a_folders_rows_are_named_by_their_own_file(tmp_path: Path) -> None:
    folder = tmp_path / "table"
    folder.mkdir()
    for number in range(2):
        write_table(folder / f"train-0000{number}-of-00002.csv", [(f"p{number}", "x", "y")])
    assert {pair.prompt for pair in read_pairs(folder).preferences} == {"p0", "p1"}
    broken = folder / "test.csv"
    broken.write_text("prompt,chosen,rejected\na,b\n")
    with pytest.raises(InputError, match=rf"{broken}, line 2: expected 3 cells"):
        read_pairs(folder)


def test_compressed_tables_of_a_folder_are_read_with_texts_as_they_are(tmp_path: Path) -> None:
    folder = tmp_path / "table"
    folder.mkdir()
    with gzip.open(folder / "train.csv.gz", "wt", encoding="utf-8") as stream:
        stream.write("prompt,chosen,rejected\np,NA,None\n")
    (pair,) = read_pairs(folder).preferences
    assert (pair.prompt, pair.chosen, pair.rejected) == ("p", "NA", "None")


def test_what_the_data_set_library_cannot_read_is_told_by_its_cause_and_by_no_log(tmp_path: Path) -> None:
    folder = tmp_path / "table"
    folder.mkdir()
    with gzip.open(folder / "train.jsonl.gz", "wt", encoding="utf-8") as stream:
        stream.write('{"prompt": "a",\n')
    logged, logger = io.StringIO(), logging.getLogger("datasets")
    handler = logging.StreamHandler(logged)
    logger.addHandler(handler)
    try:
        with pytest.raises(InputError, match=r"table cannot be read as a data set: .*JSON parse error"):
            read_pairs(folder)
        assert logged.getvalue() == ""
        logger.error("heard again")
        assert logged.getvalue() == "heard again\n"
    finally:
        logger.removeHandler(handler)


def test_a_folder_of_no_data_is_refused(tmp_path: Path) -> None:
    (tmp_path / "nothing").mkdir()
    with pytest.raises(InputError, match=r"nothing cannot be read as a data set: .* contain any data files\.$"):
        read_pairs(tmp_path / "nothing")
