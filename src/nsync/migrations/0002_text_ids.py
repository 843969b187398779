"""Keys scoped by model, object ids as text, and two indexes instead of four (rules M1, M2)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import django.db.models.deletion
from django.db import migrations, models

import nsync.models

if TYPE_CHECKING:
    from django.apps.registry import Apps

# What the new constraint and the new index begin with or replace.
REDUNDANT = (["external_system_id"], ["external_system_id", "external_key"], ["content_type_id"])


def drop_redundant_indexes(apps: Apps, schema_editor: Any) -> None:
    """
    Drop the indexes of 0.4 that the new ones make redundant.

    Found by their columns: their names depend on the database, on the Django that made them, and on MariaDB, which
    makes an index of its own for a foreign key that has none. Taken back, 0.4 does without the one that it had twice.
    """
    connection = schema_editor.connection
    mapping = apps.get_model("nsync", "ExternalKeyMapping")
    table = mapping._meta.db_table
    with connection.cursor() as cursor:
        constraints = connection.introspection.get_constraints(cursor, table)
    for name, constraint in constraints.items():
        if constraint["index"] and not constraint["unique"] and constraint["columns"] in REDUNDANT:
            schema_editor.execute(schema_editor._delete_constraint_sql(schema_editor.sql_delete_index, mapping, name))


class Migration(migrations.Migration):
    dependencies = [("nsync", "0001_initial")]

    operations = [
        migrations.AlterModelOptions(
            name="externalsystem",
            options={"verbose_name": "external system", "verbose_name_plural": "external systems"},
        ),
        migrations.AlterModelOptions(
            name="externalkeymapping",
            options={"verbose_name": "external key mapping", "verbose_name_plural": "external key mappings"},
        ),
        migrations.AlterField(
            model_name="externalsystem",
            name="name",
            field=models.CharField(
                help_text="The short name by which commands and files call the system.", max_length=100, unique=True
            ),
        ),
        migrations.AlterField(
            model_name="externalsystem",
            name="description",
            field=models.CharField(blank=True, help_text="What people call the system.", max_length=255),
        ),
        migrations.AlterField(
            model_name="externalkeymapping",
            name="id",
            field=models.BigAutoField(primary_key=True, serialize=False, verbose_name="ID"),
        ),
        migrations.AlterField(
            model_name="externalkeymapping",
            name="external_key",
            field=nsync.models.ExactCharField(help_text="The system's own id of the object.", max_length=255),
        ),
        migrations.AlterField(
            model_name="externalkeymapping",
            name="object_id",
            field=nsync.models.ExactCharField(help_text="The primary key of the object, as text.", max_length=255),
        ),
        # The new ones first: MariaDB drops no index that a foreign key needs while no other begins with its column.
        migrations.AddConstraint(
            model_name="externalkeymapping",
            constraint=models.UniqueConstraint(
                fields=("external_system", "content_type", "external_key"), name="nsync_mapping_key_uniq"
            ),
        ),
        migrations.AddIndex(
            model_name="externalkeymapping",
            index=models.Index(fields=["content_type", "object_id"], name="nsync_mapping_object_idx"),
        ),
        migrations.AlterUniqueTogether(name="externalkeymapping", unique_together=set()),
        migrations.AlterField(
            model_name="externalkeymapping",
            name="external_system",
            field=models.ForeignKey(
                db_index=False, on_delete=django.db.models.deletion.CASCADE, to="nsync.externalsystem"
            ),
        ),
        migrations.AlterField(
            model_name="externalkeymapping",
            name="content_type",
            field=models.ForeignKey(
                db_index=False,
                help_text="The type of object that the key means.",
                on_delete=django.db.models.deletion.CASCADE,
                to="contenttypes.contenttype",
            ),
        ),
        migrations.RunPython(drop_redundant_indexes, migrations.RunPython.noop, atomic=False),
    ]
