"""Attempts at a qualification test are append-only in the database itself, as judgments are (0002)."""

from django.db import migrations

CREATE = {
    "sqlite": [
        "CREATE TRIGGER attempt_append_only BEFORE UPDATE ON annotation_qualificationattempt "
        "BEGIN SELECT RAISE(ABORT, 'attempts are append-only'); END"
    ],
    "postgresql": [
        "CREATE FUNCTION refuse_attempt_update() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE integrity_constraint_violation USING MESSAGE = 'attempts are append-only'; END $$",
        "CREATE TRIGGER attempt_append_only BEFORE UPDATE ON annotation_qualificationattempt "
        "FOR EACH ROW EXECUTE FUNCTION refuse_attempt_update()",
    ],
}
DROP = {
    "sqlite": ["DROP TRIGGER attempt_append_only"],
    "postgresql": [
        "DROP TRIGGER attempt_append_only ON annotation_qualificationattempt",
        "DROP FUNCTION refuse_attempt_update()",
    ],
}


def create_trigger(apps, schema_editor):
    for statement in CREATE[schema_editor.connection.vendor]:
        schema_editor.execute(statement)


def drop_trigger(apps, schema_editor):
    for statement in DROP[schema_editor.connection.vendor]:
        schema_editor.execute(statement)


class Migration(migrations.Migration):
    dependencies = [("annotation", "0006_qualification_attempts")]
    operations = [migrations.RunPython(create_trigger, drop_trigger)]
