from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('videos', '0029_spritesheets'),
    ]

    operations = [
        migrations.CreateModel(
            name='StorageWalk',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('began_at', models.DateTimeField()),
                ('ended_at', models.DateTimeField(blank=True, help_text='When it had come to the end; empty: it is under way.', null=True)),
                ('after', models.CharField(blank=True, help_text='The folder that it came to last.', max_length=200)),
                ('removed', models.PositiveIntegerField(default=0, help_text='Files that no row named, and that it removed.')),
                ('unknown', models.PositiveIntegerField(default=0, help_text='Folders of tasks that the database does not know.')),
            ],
        ),
    ]
