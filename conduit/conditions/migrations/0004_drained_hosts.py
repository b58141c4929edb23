from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ("conditions", "0003_which_database"),
    ]

    operations = [
        migrations.CreateModel(
            name="DrainedHost",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("host", models.CharField(help_text="As its processes call it.", max_length=100, unique=True)),
                ("since", models.DateTimeField()),
                ("by", models.CharField(max_length=150)),
            ],
        ),
    ]
