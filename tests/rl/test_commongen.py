"""CommonGen: from files of the original release, from the hub's form, and the real data where it is at hand."""

import json
import os
from pathlib import Path

import datasets
import pytest

from annotation.errors import InputError
from rl.metrics.coverage import count_missing
from rl.tasks import load_task
from rl.tasks.commongen import HUB_NAME

REAL = Path(os.environ.get("PREFLOOP_DATA", Path(__file__).parents[3] / "shared" / "data")) / "commongen"


def write_release(folder: Path) -> Path:
    """Three training lines (two of one set), a dev set, and a test set that a training line has in another order."""
    (folder / "commongen.train.src_alpha.txt").write_text("ball dog throw\nball dog throw\ncat sit sofa\n")
    (folder / "commongen.train.tgt.txt").write_text("A man throws a ball.\nThrow the dog a ball.\nThe cat sits.\n")
    dev = {"concept_set": "field_N#look_V", "scene": ["She looks at the field."], "reason": [""]}
    test = {"concept_set": "sofa_N#cat_N#sit_V", "scene": ["A cat sits on a sofa.", "The cat sat."], "reason": [""]}
    (folder / "commongen.dev.jsonl").write_text(json.dumps(dev) + "\n")
    (folder / "commongen.test.jsonl").write_text(json.dumps(test) + "\n")
    return folder


def test_lines_of_one_concept_set_become_one_item_with_several_references(tmp_path: Path) -> None:
    task = load_task("commongen", write_release(tmp_path))
    (item,) = task.train
    assert item.concepts == ("ball", "dog", "throw")
    assert item.references == ("A man throws a ball.", "Throw the dog a ball.")
    assert item.prompt == "generate a sentence with: ball dog throw."
    assert task.validation[0].concepts == ("field", "look")


def test_a_training_set_that_is_tested_in_another_order_is_dropped(tmp_path: Path) -> None:
    task = load_task("commongen", write_release(tmp_path))
    assert not {frozenset(item.concepts) for item in task.train} & {frozenset(item.concepts) for item in task.test}


def test_the_hubs_form_gives_the_same_items(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def rows(*entries: tuple[list[str], str, list[str]]) -> datasets.Dataset:
        columns = ("concepts", "target", "references")
        return datasets.Dataset.from_list([dict(zip(columns, entry, strict=True)) for entry in entries])

    splits = datasets.DatasetDict(
        train=rows(
            (["ball", "dog", "throw"], "A man throws a ball.", []),
            (["ball", "dog", "throw"], "Throw the dog a ball.", []),
        ),
        validation=rows((["field", "look"], "", ["She looks at the field."])),
        test=rows((["sofa", "cat", "sit"], "", ["A cat sits on a sofa.", "The cat sat."])),
    )
    asked = []
    monkeypatch.setattr(datasets, "load_dataset", lambda name: asked.append(name) or splits)
    assert load_task("commongen", None) == load_task("commongen", write_release(tmp_path))
    assert asked == [HUB_NAME]


def test_a_hub_that_cannot_be_reached_is_named_with_the_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(name: str) -> None:
        raise ConnectionError("no route")

    monkeypatch.setattr(datasets, "load_dataset", fail)
    with pytest.raises(InputError, match=r"could not be loaded from the hub .*pass --data FOLDER"):
        load_task("commongen", None)


def test_bad_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file; expected CommonGen's original files"):
        load_task("commongen", tmp_path)
    write_release(tmp_path)
    (tmp_path / "commongen.train.tgt.txt").write_text("one\n")
    with pytest.raises(InputError, match=r"3 lines and .* 1; expected as many"):
        load_task("commongen", tmp_path)
    write_release(tmp_path)
    (tmp_path / "commongen.dev.jsonl").write_text('{"scene": []}\n')
    with pytest.raises(InputError, match=r"dev\.jsonl, line 1: expected JSON with concept_set and scene"):
        load_task("commongen", tmp_path)
    with pytest.raises(InputError, match=r"task .imdb.: expected one of"):
        load_task("imdb", tmp_path)


@pytest.mark.skipif(not REAL.is_dir(), reason=f"CommonGen's original files are not in {REAL.name}/ of PREFLOOP_DATA")
def test_the_real_release_has_its_published_sizes_and_covers_its_concepts() -> None:
    task = load_task("commongen", REAL)
    # Lin et al. 2020 give 993 development and 1,497 test concept sets. Of the development sets two differ in a part of
    # speech alone, and two more are test sets in another order.
    assert (len(task.validation), len(task.test)) == (993 - 1 - 2, 1497)
    missing = [count_missing(text, item.concepts) for item in task.validation for text in item.references]
    concepts = [len(item.concepts) for item in task.validation for _ in item.references]
    assert sum(missing) / sum(concepts) < 0.02  # people use nearly every concept, in some form
