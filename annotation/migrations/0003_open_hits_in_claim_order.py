"""Indexes for claims: open HITs in the order of a claim, and none that offers PostgreSQL a worse way.

Before it has statistics of a new campaign, it chooses among indexes that look alike to it.
"""

import django.db.models.deletion
from django.db import migrations, models


def without_index(name, to):
    field = models.ForeignKey(
        db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name="assignments", to=to
    )
    return migrations.AlterField(model_name="assignment", name=name, field=field)


class Migration(migrations.Migration):
    dependencies = [("annotation", "0002_judgments_append_only")]
    operations = [
        migrations.RemoveIndex(model_name="hit", name="hit_open"),
        migrations.AddIndex(
            model_name="hit",
            index=models.Index(
                condition=models.Q(("free_slots__gt", 0)), fields=["campaign", "position", "id"], name="hit_open"
            ),
        ),
        without_index("campaign", "annotation.campaign"),
        without_index("hit", "annotation.hit"),
        without_index("worker", "annotation.worker"),
    ]
