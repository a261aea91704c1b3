"""Comments are append-only as judgments are; and judgments still: SQLite drops a trigger with the table it rebuilds.

A later migration that rebuilds one of these tables must create its trigger again.
"""

from django.db import migrations

CREATE = {
    "sqlite": [
        "DROP TRIGGER IF EXISTS judgment_append_only",
        "CREATE TRIGGER judgment_append_only BEFORE UPDATE ON annotation_judgment "
        "BEGIN SELECT RAISE(ABORT, 'judgments are append-only'); END",
        "CREATE TRIGGER comment_append_only BEFORE UPDATE ON annotation_comment "
        "BEGIN SELECT RAISE(ABORT, 'comments are append-only'); END",
    ],
    "postgresql": [
        "CREATE FUNCTION refuse_comment_update() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE integrity_constraint_violation USING MESSAGE = 'comments are append-only'; END $$",
        "CREATE TRIGGER comment_append_only BEFORE UPDATE ON annotation_comment "
        "FOR EACH ROW EXECUTE FUNCTION refuse_comment_update()",
    ],
}
DROP = {
    "sqlite": ["DROP TRIGGER comment_append_only"],
    "postgresql": [
        "DROP TRIGGER comment_append_only ON annotation_comment",
        "DROP FUNCTION refuse_comment_update()",
    ],
}


def create_triggers(apps, schema_editor):
    for statement in CREATE[schema_editor.connection.vendor]:
        schema_editor.execute(statement)


def drop_triggers(apps, schema_editor):
    for statement in DROP[schema_editor.connection.vendor]:
        schema_editor.execute(statement)


class Migration(migrations.Migration):
    dependencies = [("annotation", "0004_rankings_and_comments")]
    operations = [migrations.RunPython(create_triggers, drop_triggers)]
