"""Judgments are append-only in the database itself: a trigger refuses to change one."""

from django.db import migrations

CREATE = {
    "sqlite": [
        "CREATE TRIGGER judgment_append_only BEFORE UPDATE ON annotation_judgment "
        "BEGIN SELECT RAISE(ABORT, 'judgments are append-only'); END"
    ],
    "postgresql": [
        "CREATE FUNCTION refuse_judgment_update() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE integrity_constraint_violation USING MESSAGE = 'judgments are append-only'; END $$",
        "CREATE TRIGGER judgment_append_only BEFORE UPDATE ON annotation_judgment "
        "FOR EACH ROW EXECUTE FUNCTION refuse_judgment_update()",
    ],
}
DROP = {
    "sqlite": ["DROP TRIGGER judgment_append_only"],
    "postgresql": [
        "DROP TRIGGER judgment_append_only ON annotation_judgment",
        "DROP FUNCTION refuse_judgment_update()",
    ],
}


def create_trigger(apps, schema_editor):
    for statement in CREATE[schema_editor.connection.vendor]:
        schema_editor.execute(statement)


def drop_trigger(apps, schema_editor):
    for statement in DROP[schema_editor.connection.vendor]:
        schema_editor.execute(statement)


class Migration(migrations.Migration):
    dependencies = [("annotation", "0001_initial")]
    operations = [migrations.RunPython(create_trigger, drop_trigger)]
