"""Several questions or matchups, each with its test: p-values corrected for their number."""

import dataclasses
import math
from collections.abc import Sequence

import pandas as pd

from analysis.findings import Chapter, Finding, is_significant
from analysis.multiple_testing import benjamini_hochberg, holm

TITLE = "Several tests at once"
Place = tuple[int, int]  # of a finding: its chapter, and where it stands there


def correct_across(chapters: Sequence[Chapter]) -> list[Chapter]:
    """The chapters with `p_holm` and `p_bh` in their findings, and one more that tabulates them.

    A family are the findings of one name (one test on every question, or on every matchup). Checks of assumptions
    are left as they are: there a correction would hide what goes wrong.
    """
    families: dict[str, dict[Place, float]] = {}
    for number, chapter in enumerate(chapters):
        for place, finding in enumerate(chapter.findings):
            if not math.isnan(finding.p_value) and not finding.is_check:
                families.setdefault(finding.name, {})[number, place] = finding.p_value
    corrected: dict[Place, Finding] = {}
    for family in families.values():
        holms, shares = holm(family), benjamini_hochberg(family)
        for number, place in family:
            finding = chapters[number].findings[place]
            corrected[number, place] = dataclasses.replace(
                finding, p_holm=holms[number, place], p_bh=shares[number, place]
            )
    result = [
        dataclasses.replace(
            chapter,
            findings=tuple(corrected.get((number, place), found) for place, found in enumerate(chapter.findings)),
        )
        for number, chapter in enumerate(chapters)
    ]
    together = [[corrected[place] for place in family] for family in families.values() if len(family) > 1]
    return [*result, _describe(together)] if together else result


def _describe(families: Sequence[Sequence[Finding]]) -> Chapter:
    """The page shows the tests that its chapters put into words; the file has all."""
    findings = [finding for family in families for finding in family]
    leading = [family for family in families if any(finding.headline for finding in family)]
    return Chapter(
        TITLE,
        findings=tuple(_count_significant(family) for family in leading),
        tables={"corrected_p_values": _tabulate([finding for finding in findings if not finding.is_aside])},
        figures=(),
        appendix={"corrected_p_values_of_all_tests": _tabulate(findings)},
    )


def _tabulate(findings: Sequence[Finding]) -> pd.DataFrame:
    columns = {"test": "label", "of": "subject", "p": "p_value", "p_holm": "p_holm", "p_bh": "p_bh"}
    return pd.DataFrame(
        [[getattr(finding, field) for field in columns.values()] for finding in findings], columns=list(columns)
    )


def _count_significant(family: Sequence[Finding]) -> Finding:
    kept = [finding.subject for finding in family if is_significant(finding.p_holm)]
    before = sum(is_significant(finding.p_value) for finding in family)
    shares = sum(is_significant(finding.p_bh) for finding in family)
    name, label = family[0].name, family[0].label.split(",")[0]
    named = f" ({', '.join(kept)})" if kept else ""
    return Finding(
        name=f"{name}_corrected",
        subject=TITLE,
        label=f"{label}: significant after Holm",
        estimate=float(len(kept)),
        used=len(family),
        counted="tests",
        method="Holm's correction at .05, and Benjamini and Hochberg's",
        reading=(
            f"{label}: of {len(family)} p-values {before} are at most .05; after Holm's correction for their number "
            f"{len(kept)}{named}, by Benjamini and Hochberg's {shares}."
        ),
        details={"out_of": len(family), "subjects": kept, "significant_before": before, "significant_bh": shares},
    )
