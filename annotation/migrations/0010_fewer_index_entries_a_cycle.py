"""Indexes that no statement uses, or that another begins as: every claim and every answer had to write to them.

On SQLite, Django would copy whole tables to be rid of an index, and lose their triggers; so the indexes are dropped by
the names that Django gave them.
"""

import django.db.models.deletion
from django.db import migrations, models

COLUMNS = {
    "annotation_hit_campaign_id_9bda25b8": "annotation_hit (campaign_id)",
    "annotation_hit_completion_a_id_fd67fe09": "annotation_hit (completion_a_id)",
    "annotation_hit_completion_b_id_7e0eb9c0": "annotation_hit (completion_b_id)",
    "annotation_judgment_assignment_id_0479e95f": "annotation_judgment (assignment_id)",
}
CASCADE, PROTECT = django.db.models.deletion.CASCADE, django.db.models.deletion.PROTECT


def without_index(model, name, to, on_delete, **options):
    field = models.ForeignKey(db_index=False, on_delete=on_delete, to=f"annotation.{to}", **options)
    return migrations.AlterField(model_name=model, name=name, field=field)


class Migration(migrations.Migration):
    dependencies = [("annotation", "0009_signed_worker_links")]
    operations = [
        migrations.SeparateDatabaseAndState(
            database_operations=[
                migrations.RunSQL(f'DROP INDEX IF EXISTS "{name}"', f'CREATE INDEX "{name}" ON {columns}')
                for name, columns in COLUMNS.items()
            ],
            state_operations=[
                without_index("hit", "campaign", "campaign", CASCADE, related_name="hits"),
                without_index("hit", "completion_a", "completion", CASCADE, related_name="+", blank=True, null=True),
                without_index("hit", "completion_b", "completion", CASCADE, related_name="+", blank=True, null=True),
                without_index("judgment", "assignment", "assignment", PROTECT, related_name="judgments"),
            ],
        )
    ]
