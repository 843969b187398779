"""The admin pages of systems, key mappings and runs; made for a million mappings, so no page loads mapped objects."""

from __future__ import annotations

from typing import ClassVar
from urllib.parse import urlencode

from django.contrib import admin
from django.contrib.admin.utils import quote
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html

from nsync.models import ExternalKeyMapping, ExternalSystem, Run


@admin.register(ExternalSystem)
class ExternalSystemAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # it takes arguments only in the stubs
    """Systems, each with a link to its mappings."""

    list_display = ("name", "description", "mappings")
    search_fields = ("name", "description")
    ordering = ("name",)

    @admin.display(description="key mappings")
    def mappings(self, system: ExternalSystem) -> str:
        """Link to the system's mappings. They are not counted: that would read all of them for each page."""
        page = reverse("admin:nsync_externalkeymapping_changelist", current_app=self.admin_site.name)
        query = urlencode({"external_system__id__exact": system.pk})
        return format_html('<a href="{}?{}">show</a>', page, query)


@admin.register(ExternalKeyMapping)
class ExternalKeyMappingAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # as above
    """Mappings, each with a link to the admin page of its object."""

    list_display = ("external_key", "external_system", "content_type", "object_id", "object_page")
    list_filter = ("external_system", ("content_type", admin.RelatedOnlyFieldListFilter))
    list_select_related = ("external_system", "content_type")
    search_fields = ("external_key", "=object_id")
    search_help_text = "Part of an external key, or the whole id of an object"
    show_full_result_count = False
    readonly_fields: ClassVar = ("object_page",)

    @admin.display(description="object")
    def object_page(self, mapping: ExternalKeyMapping) -> str:
        """Link to the object's admin page; without one, name the object. The object itself is not loaded."""
        if mapping.content_type_id is None:  # the page that adds a mapping
            return "-"
        model = mapping.content_type.model_class()
        if model is None:
            return f"{mapping.content_type.app_label}.{mapping.content_type.model} {mapping.object_id}"
        name = f"{model._meta.verbose_name} {mapping.object_id}"
        if not self.admin_site.is_registered(model):
            return name
        page = f"admin:{model._meta.app_label}_{model._meta.model_name}_change"
        url = reverse(page, args=[quote(mapping.object_id)], current_app=self.admin_site.name)
        return format_html('<a href="{}">{}</a>', url, name)


@admin.register(Run)
class RunAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # as above
    """Runs, to be read: the history is not written by hand. What a run changed, ``syncruns`` shows."""

    list_display = ("id", "status", "started", "system", "model", "user", "seconds")
    list_filter = ("status",)
    search_fields = ("system", "model", "user", "command")
    ordering = ("-id",)
    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Nobody adds a run by hand."""
        return False

    def has_change_permission(self, request: HttpRequest, run: Run | None = None) -> bool:
        """Nobody changes one."""
        return False

    def has_delete_permission(self, request: HttpRequest, run: Run | None = None) -> bool:
        """``syncprune`` removes them, a batch at a time: a run may have millions of changes."""
        return False
