"""How long a claim takes in a small and in a large campaign, in turn, in one process that uses the queue itself."""

import time
from collections.abc import Callable, Sequence

from django.db import connection

from annotation import campaigns
from annotation.assignments import Answer, claim, submit_and_claim
from annotation.campaign_files import CampaignConfig, PairwiseRow
from annotation.models import Campaign, Worker
from annotation.task_templates import load_template

RATERS = 3
COPY_HITS = """
INSERT INTO annotation_hit (campaign_id, item_id, key, pair, completion_a_id, completion_b_id, position, free_slots)
    WITH RECURSIVE number(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < %s)
    SELECT first.campaign_id, first.item_id, 'hit-' || n, 'pair-' || n, first.completion_a_id, first.completion_b_id,
           n, first.free_slots
    FROM number, annotation_hit AS first WHERE first.campaign_id = %s AND first.position = 0
"""


def store_campaign(name: str, hits: int) -> Campaign:
    """An open campaign whose HITs all show the same two texts."""
    config = CampaignConfig(name=name, task="commongen-pairwise", raters_per_hit=RATERS)
    text_a, text_b = "A dog runs in the park.", "A park runs in the dog."
    row = PairwiseRow("item", "pair", "dog, park, run", text_a, text_b, "supervised", "supervised+nlpo")
    campaign = campaigns.create_campaign(config, load_template(config.task), [row])
    if hits > 1:
        with connection.cursor() as cursor:
            cursor.execute(COPY_HITS, [hits - 1, campaign.pk])
    campaigns.publish(campaign)
    return campaign


def measure_claims(sizes: Sequence[int], turns: int) -> dict[int, dict[str, list[float]]]:
    """Seconds by number of HITs: of newcomers' claims, and of one worker's cycles (submit, and claim the next)."""
    campaigns_by_size = {size: store_campaign(f"claims-{size}", size) for size in sizes}
    workers = {size: Worker.objects.create(handle=f"alone-{size}") for size in sizes}
    leases = {size: claim(campaign, workers[size]) for size, campaign in campaigns_by_size.items()}
    seconds: dict[int, dict[str, list[float]]] = {size: {"claim": [], "cycle": []} for size in sizes}
    for turn in range(turns):
        for size, campaign in campaigns_by_size.items():
            newcomer = Worker.objects.create(handle=f"newcomer-{size}-{turn}")
            seconds[size]["claim"].append(_time(lambda c=campaign, w=newcomer: claim(c, w)))  # type: ignore[misc]
            lease, worker = leases[size], workers[size]
            assert lease is not None, "there are more HITs than turns"
            started = time.perf_counter()
            _, leases[size] = submit_and_claim(lease, worker, [Answer("preference", choice="a")])
            seconds[size]["cycle"].append(time.perf_counter() - started)
    return seconds


def _time(action: Callable[[], object]) -> float:
    started = time.perf_counter()
    action()
    return time.perf_counter() - started
