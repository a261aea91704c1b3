"""The bench: a real app beside real floors, and that it notices what it is there to notice."""

import contextlib
import sqlite3
from pathlib import Path

import pytest

from annotation.management.bench import BenchConfig, bench_claims, bench_load, check_stored, compare, describe, is_sound
from annotation.management.load import Tally


def test_ratios_are_taken_round_by_round() -> None:
    app = [{"cycles_per_s": 10.0}, {"cycles_per_s": 4.0}, {"cycles_per_s": 9.0}]
    floor = [{"cycles_per_s": 20.0}, {"cycles_per_s": 5.0}, {"cycles_per_s": 10.0}]
    row = compare({"app": app, "bare": floor, "stock": app})
    assert row["ratios"]["bare"] == {"median": 0.8, "least": 0.5, "most": 0.9}
    assert row["ratios"]["stock"]["median"] == 1
    assert (row["app"]["cycles_per_s"], row["bare"]["cycles_per_s"]) == (9.0, 10.0)


def test_percentiles_are_of_single_requests() -> None:
    tally = Tally(open_s=[0.001] * 98 + [0.5] * 2, send_s=[0.002] * 100, acknowledged=["token"] * 100)
    assert describe([tally], 2.0) == {"cycles_per_s": 50.0, "p50_ms": 2.0, "p95_ms": 2.0, "p99_ms": 500.0}


@pytest.mark.slow
def test_it_measures_both_and_sees_what_is_missing(database: Path | str, tmp_path: Path) -> None:
    config = BenchConfig(workers=4, seconds=1.0, rounds=1, hits=(10, 200))
    result = bench_load(database, tmp_path / "log", config)
    assert result["app"]["cycles_per_s"] > 0 and all(ratio["median"] > 0 for ratio in result["ratios"].values())
    assert result["acknowledged"] > 0 and is_sound(result)
    lost = check_stored(database, [Tally(acknowledged=["never-stored"])])
    assert lost["lost"] == 1 and not is_sound(lost)
    if isinstance(database, Path):
        with contextlib.closing(sqlite3.connect(database)) as connection, connection:
            connection.execute("UPDATE annotation_hit SET free_slots = 0 WHERE position = 19999")
        assert check_stored(database, [])["overfilled"] == 1


@pytest.mark.slow
def test_claims_are_timed_in_campaigns_of_each_size(migrated_file: Path, tmp_path: Path) -> None:
    database = tmp_path / "claims.sqlite3"
    database.write_bytes(migrated_file.read_bytes())
    claims = bench_claims(database, BenchConfig(hits=(200, 400)))
    assert set(claims) == {"200", "400", "largest_to_smallest"}
    assert all(value > 0 for row in claims.values() for value in row.values())
