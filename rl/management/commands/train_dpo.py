"""`manage.py train_dpo PREFERENCES --base-model M --output DIR`: tune a policy on preference pairs, by DPO."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from annotation.management.command import PipelineCommand
from rl.dpo import DpoConfig, train_dpo

SETTINGS = {
    "reference": "`initial` for the base model, or another checkpoint",
    "beta": "of the KL penalty that the loss stands for",
    "label_smoothing": "share of labels taken to be wrong (conservative DPO)",
    "learning_rate": "after the warm-up",
    "warmup_share": "of all steps",
    "weight_decay": "of AdamW",
    "gradient_norm": "larger gradients are scaled down to it",
    "epochs": "passes over the training pairs",
    "batch": "pairs a step",
    "microbatch": "pairs held in memory at a time",
    "checkpoint_every": "steps between checkpoints",
    "seed": "draws the batches",
}


class Command(PipelineCommand):
    help = "Tune a policy on preference pairs by DPO; the last policy lands in DIR/policy, the best in DIR/best."

    def add_options(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "preferences", type=Path, help="export folder, or JSON lines with prompt, chosen and rejected"
        )
        parser.add_argument("--base-model", required=True, help="folder or hub name of the policy to start from")
        for name, text in SETTINGS.items():
            default = getattr(DpoConfig(base_model=""), name)
            parser.add_argument(f"--{name.replace('_', '-')}", type=type(default), default=default, help=text)
        parser.add_argument("--output", type=Path, required=True, help="run folder to write")
        parser.add_argument("--resume", action="store_true", help="continue an interrupted run from its checkpoint")

    def run(self, options: dict[str, Any]) -> dict[str, Any]:
        config = DpoConfig(options["base_model"], **{name: options[name] for name in SETTINGS})
        return train_dpo(config, options["preferences"], options["output"], resume=options["resume"])
