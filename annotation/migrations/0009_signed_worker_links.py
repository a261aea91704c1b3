"""Campaigns by signed link, and a handle that means one worker among those who came in the same way."""

from django.db import migrations, models

SOURCES = [("direct", "Direct"), ("link", "Link"), ("signed", "Signed"), ("simulation", "Simulation")]


class Migration(migrations.Migration):
    dependencies = [("annotation", "0008_exclusions_may_free_a_slot")]
    operations = [
        migrations.AddField(
            model_name="campaign",
            name="access",
            field=models.CharField(choices=[("open", "Open"), ("link", "Link")], default="open", max_length=16),
        ),
        migrations.AlterField(model_name="worker", name="handle", field=models.CharField(max_length=100)),
        migrations.AlterField(
            model_name="worker",
            name="source",
            field=models.CharField(choices=SOURCES, default="direct", max_length=16),
        ),
        migrations.AddConstraint(
            model_name="worker",
            constraint=models.UniqueConstraint(fields=("handle", "source"), name="handle_once_per_source"),
        ),
    ]
