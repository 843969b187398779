"""The admin pages of the example, to look at what a run did."""

from django.contrib import admin

from myapp.models import Badge, Car, House, Person, Tag


@admin.register(Person)
class PersonAdmin(admin.ModelAdmin):
    list_display = ("first_name", "last_name", "age", "hair_colour", "employee_id")


@admin.register(House)
class HouseAdmin(admin.ModelAdmin):
    list_display = ("address", "country", "floors", "owner")


@admin.register(Car)
class CarAdmin(admin.ModelAdmin):
    list_display = ("rego_number", "name", "price", "bought", "assigned_to")


admin.site.register((Badge, Tag))
