"""Text files: whole or not at all; and the lines of JSON lines, whatever the texts in them hold."""

import json
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotation.errors import InputError
from annotation.text_files import read_lines, write_whole


def test_a_file_appears_when_all_is_written_and_makes_its_folder(tmp_path: Path) -> None:
    output = tmp_path / "new" / "scores.jsonl"
    with write_whole(output) as stream:
        stream.write("one\n")
        assert not output.exists()
    assert output.read_text() == "one\n"
    assert list(output.parent.iterdir()) == [output]


def test_writing_that_stops_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), write_whole(tmp_path / "scores.jsonl") as stream:
        stream.write("one\n")
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_exists_is_not_touched(tmp_path: Path) -> None:
    (tmp_path / "scores.jsonl").write_text("kept")
    with pytest.raises(InputError, match="exists already"), write_whole(tmp_path / "scores.jsonl"):
        raise AssertionError("the file was opened")
    assert (tmp_path / "scores.jsonl").read_text() == "kept"


def test_a_file_below_a_file_is_refused_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "votes").write_text("")
    with pytest.raises(InputError, match="votes cannot be made"), write_whole(tmp_path / "votes" / "scores.jsonl"):
        raise AssertionError("the file was opened")


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]))))
def test_every_text_comes_back_from_json_lines(texts: list[str]) -> None:
    """Also those with U+2028, U+0085 and other signs at which `str.splitlines` would part a line."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "texts.jsonl"
        with write_whole(path) as stream:
            stream.writelines(json.dumps(text, ensure_ascii=False) + "\n" for text in texts)
        assert [json.loads(line) for line in read_lines(path)] == texts


def test_a_byte_order_mark_and_other_systems_line_ends_are_no_part_of_a_line(tmp_path: Path) -> None:
    path = tmp_path / "texts"
    path.write_bytes(b"\xef\xbb\xbfone\r\ntwo\n\nfour")
    assert read_lines(path) == ["one", "two", "", "four"]
