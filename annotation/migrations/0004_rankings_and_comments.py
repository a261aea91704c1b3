"""Sets of completions that are ranked, and comments; each HIT and each judgment keeps to the columns of its kind."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('annotation', '0003_open_hits_in_claim_order'),
    ]

    operations = [
        migrations.CreateModel(
            name='Comment',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('text', models.CharField(max_length=2000)),
            ],
        ),
        migrations.CreateModel(
            name='SetMember',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('letter', models.CharField(max_length=1)),
            ],
            options={
                'ordering': ['letter'],
            },
        ),
        migrations.RemoveConstraint(
            model_name='judgment',
            name='judgment_is_a_rating_or_a_comparison',
        ),
        migrations.AddField(
            model_name='assignment',
            name='shown',
            field=models.CharField(blank=True, db_default='', default='', help_text='the letters of a set in the order shown', max_length=6),
        ),
        migrations.AddField(
            model_name='campaign',
            name='ask_comment',
            field=models.BooleanField(db_default=False, default=False),
        ),
        migrations.AddField(
            model_name='hit',
            name='set',
            field=models.CharField(blank=True, db_default='', default='', max_length=200),
        ),
        migrations.AddField(
            model_name='judgment',
            name='ranking',
            field=models.CharField(blank=True, db_default='', default='', max_length=16),
        ),
        migrations.AlterField(
            model_name='campaign',
            name='kind',
            field=models.CharField(choices=[('likert', 'Likert'), ('pairwise', 'Pairwise'), ('ranking', 'Ranking'), ('best_worst', 'Best-worst')], max_length=16),
        ),
        migrations.AlterField(
            model_name='hit',
            name='completion_a',
            field=models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.CASCADE, related_name='+', to='annotation.completion'),
        ),
        migrations.AddConstraint(
            model_name='assignment',
            constraint=models.CheckConstraint(condition=models.Q(('left', ''), ('shown', ''), _connector='OR'), name='assignment_shows_sides_or_a_set'),
        ),
        migrations.AddConstraint(
            model_name='hit',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('completion_a__isnull', False), ('completion_b__isnull', True), ('pair', ''), ('set', '')), models.Q(models.Q(('pair', ''), _negated=True), ('completion_a__isnull', False), ('completion_b__isnull', False), ('set', '')), models.Q(models.Q(('set', ''), _negated=True), ('completion_a__isnull', True), ('completion_b__isnull', True), ('pair', '')), _connector='OR'), name='hit_has_what_its_kind_shows'),
        ),
        migrations.AddConstraint(
            model_name='judgment',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('choice', ''), ('ranking', ''), ('strength__isnull', True), ('value__isnull', False)), models.Q(('choice__in', ['a', 'b']), ('ranking', ''), ('strength__isnull', True), ('value__isnull', True)), models.Q(('choice__in', ['a', 'b']), ('ranking', ''), ('strength__gte', 1), ('value__isnull', True)), models.Q(('choice__in', ['tie', 'both_bad']), ('ranking', ''), ('strength__isnull', True), ('value__isnull', True)), models.Q(models.Q(('ranking', ''), _negated=True), ('choice', ''), ('strength__isnull', True), ('value__isnull', True)), _connector='OR'), name='judgment_is_one_answer'),
        ),
        migrations.AddField(
            model_name='comment',
            name='assignment',
            field=models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, related_name='comment', to='annotation.assignment'),
        ),
        migrations.AddField(
            model_name='setmember',
            name='completion',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='+', to='annotation.completion'),
        ),
        migrations.AddField(
            model_name='setmember',
            name='hit',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.CASCADE, related_name='members', to='annotation.hit'),
        ),
        migrations.AddConstraint(
            model_name='comment',
            constraint=models.CheckConstraint(condition=models.Q(('text', ''), _negated=True), name='comment_says_something'),
        ),
        migrations.AddConstraint(
            model_name='setmember',
            constraint=models.UniqueConstraint(fields=('hit', 'letter'), name='letter_once_per_set'),
        ),
        migrations.AddConstraint(
            model_name='setmember',
            constraint=models.UniqueConstraint(fields=('hit', 'completion'), name='completion_once_per_set'),
        ),
        migrations.AddConstraint(
            model_name='setmember',
            constraint=models.CheckConstraint(condition=models.Q(('letter__in', ['a', 'b', 'c', 'd', 'e', 'f'])), name='letter_is_a_to_f'),
        ),
    ]
