"""The tables as django-nsync 0.4 made them; its databases have this migration applied already (rule M2)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import django.db.models.deletion
from django.db import migrations, models

if TYPE_CHECKING:
    from django.apps.registry import Apps


def add_index_together(apps: Apps, schema_editor: Any) -> None:
    """
    Create the index of 0.4's ``index_together``, under the name that Django 4.2 gave it.

    Django has no ``index_together`` any more, and ``AddIndex`` wants one name for all databases, where Django 4.2
    shortened it for each. The state need not know the index: 0003 removes it.
    """
    mapping = apps.get_model("nsync", "ExternalKeyMapping")
    fields = [mapping._meta.get_field("external_system"), mapping._meta.get_field("external_key")]
    schema_editor.execute(schema_editor._create_index_sql(mapping, fields=fields, suffix="_idx"))


class Migration(migrations.Migration):
    initial = True

    dependencies = [("contenttypes", "0002_remove_content_type_name")]

    operations = [
        migrations.CreateModel(
            name="ExternalKeyMapping",
            fields=[
                ("id", models.AutoField(primary_key=True, serialize=False, verbose_name="ID")),
                ("object_id", models.PositiveIntegerField()),
                ("external_key", models.CharField(max_length=80)),
                (
                    "content_type",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        to="contenttypes.contenttype",
                    ),
                ),
            ],
        ),
        migrations.CreateModel(
            name="ExternalSystem",
            fields=[
                ("id", models.AutoField(primary_key=True, serialize=False, verbose_name="ID")),
                ("name", models.CharField(max_length=30, unique=True)),
                ("description", models.CharField(blank=True, max_length=80)),
            ],
        ),
        migrations.AddField(
            model_name="externalkeymapping",
            name="external_system",
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, to="nsync.externalsystem"),
        ),
        migrations.AlterUniqueTogether(
            name="externalkeymapping", unique_together={("external_system", "external_key")}
        ),
        migrations.RunPython(add_index_together, migrations.RunPython.noop, atomic=False),
    ]
