"""`manage.py bench_training`: what an iteration of PPO and NLPO costs beside a plain floor."""

import tempfile
from argparse import ArgumentParser
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from annotation.management.command import PipelineCommand


class Command(PipelineCommand):
    help = "Time iterations of PPO and NLPO beside a plain floor of transformers and torch calls, in turn."

    def add_options(self, parser: ArgumentParser) -> None:
        parser.add_argument("--tokens", type=int, default=20, help="of each response")
        parser.add_argument("--repeats", type=int, default=7, help="counted iterations of each")

    def run(self, options: dict[str, Any]) -> Mapping[str, Any]:
        from rl.management.bench import BenchConfig, bench_training

        with tempfile.TemporaryDirectory() as folder:
            results = bench_training(Path(folder), BenchConfig(options["tokens"], options["repeats"]))
        for kind, rows in results.items():
            for name, row in rows.items():
                self.stderr.write(f"{kind:5} {name:28} {row['seconds']:7.3f} s   {row['ratio']:.2f} × floor")
        return results
