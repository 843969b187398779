"""Policies as projects wrote them for django-nsync 0.4: they know nothing of nsync (rule P1)."""

from django.db import transaction


class OldPolicy:
    """As written for django-nsync 0.4: it knows nothing of nsync."""

    def __init__(self, actions):  # as it was written
        self.actions = actions

    def execute(self):
        for action in self.actions:
            action.execute()


class OldOrderedPolicy:
    """The ordered policy of django-nsync 0.4, word for word."""

    def __init__(self, actions):
        self.actions = actions

    def execute(self):
        for filter_by in ["create", "update", "delete"]:
            filtered_actions = filter(lambda a: a.type == filter_by, self.actions)
            for action in filtered_actions:
                action.execute()


class OldTransactionPolicy:
    """The transaction policy of django-nsync 0.4, around the ordered one."""

    def __init__(self, actions):
        self.policy = OldOrderedPolicy(actions)

    def execute(self):
        with transaction.atomic():
            self.policy.execute()
