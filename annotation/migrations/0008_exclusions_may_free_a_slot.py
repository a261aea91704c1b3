"""An exclusion has its time, and may open the assignment's slot for another worker."""

from django.db import migrations, models

HOLDS_ITS_SLOT = (
    models.Q(state__in=["accepted", "submitted", "approved"], slot__isnull=False, slot__gte=1)
    | models.Q(state__in=["returned", "expired", "rejected"], slot__isnull=True)
    | models.Q(state__in=["submitted", "approved"], kind="surplus", slot__isnull=True)
    | models.Q(~models.Q(excluded=""), state__in=["submitted", "approved"], slot__isnull=True)
)


class Migration(migrations.Migration):
    dependencies = [("annotation", "0007_qualification_attempts_append_only")]
    operations = [
        migrations.AddField(
            model_name="assignment", name="excluded_at", field=models.DateTimeField(blank=True, null=True)
        ),
        migrations.RemoveConstraint(model_name="assignment", name="assignment_holds_its_slot"),
        migrations.AddConstraint(
            model_name="assignment",
            constraint=models.CheckConstraint(name="assignment_holds_its_slot", condition=HOLDS_ITS_SLOT),
        ),
    ]
