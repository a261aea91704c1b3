"""What R says of our made-up votes, from `tests/references`."""

import json
from pathlib import Path
from typing import Any

import pandas as pd

FOLDER = Path(__file__).parent.parent / "references"


def r_says() -> dict[str, Any]:
    return json.loads((FOLDER / "preferences.json").read_text())


def made_up_votes() -> pd.DataFrame:
    """With the completions that the counts of words stand for."""
    votes = pd.read_csv(FOLDER / "made_up_votes.csv")
    return votes.assign(
        completion_a=[" ".join(["word"] * count) for count in votes["words_a"]],
        completion_b=[" ".join(["word"] * count) for count in votes["words_b"]],
    )
