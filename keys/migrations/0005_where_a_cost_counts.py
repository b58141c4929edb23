import django.utils.timezone
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('keys', '0004_one_home_for_secrets'),
    ]

    operations = [
        migrations.AddField(
            model_name='budgetalert',
            name='limit',
            field=models.DecimalField(decimal_places=4, default=0, help_text='USD: what it is the percentage of.', max_digits=12),
            preserve_default=False,
        ),
        migrations.AddField(
            model_name='budgetwindow',
            name='ends_at',
            field=models.DateTimeField(blank=True, help_text='Empty: it has no end.', null=True),
        ),
        migrations.AddField(
            model_name='usagecost',
            name='counted_at',
            field=models.DateTimeField(default=django.utils.timezone.now, help_text='It counts in the periods that hold this moment.'),
        ),
        migrations.AddField(
            model_name='usagecost',
            name='form_id',
            field=models.UUIDField(blank=True, help_text='Of the form that added it: one that is sent twice adds one row.', null=True, unique=True),
        ),
        migrations.AddField(
            model_name='usagecost',
            name='team_id',
            field=models.BigIntegerField(blank=True, help_text='The team whose budgets it counts in, by its plain id: the team may be gone since. Empty: none.', null=True),
        ),
        migrations.AddField(
            model_name='virtualkey',
            name='budgeted',
            field=models.BooleanField(default=False, editable=False, help_text='Has, or had, budgets of its own: a create asks for none else.'),
        ),
        migrations.AlterField(
            model_name='budgetwindow',
            name='held',
            field=models.DecimalField(decimal_places=4, default=0, max_digits=20),
        ),
        migrations.AlterField(
            model_name='budgetwindow',
            name='spent',
            field=models.DecimalField(decimal_places=4, default=0, help_text='Negative where more was credited than spent.', max_digits=20),
        ),
    ]
