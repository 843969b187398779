"""Persons have an admin page; houses have none, so a mapping to a house links nowhere."""

from django.contrib import admin

from tests.testapp.models import Person

admin.site.register(Person)
