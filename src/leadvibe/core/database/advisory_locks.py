"""Every PostgreSQL advisory lock number of the program, in one place so that no two are equal.

A lock is taken either by one number (`pg_advisory_xact_lock(number)`) or by a class and a key inside it
(`pg_advisory_xact_lock(class, key)`).
"""

from typing import Final

MIGRATION_LOCK: Final = 7_306_155
"""A number. Held while migrations run: processes that start together migrate once."""

ROUTE_LOCKS: Final = 7_306_156
"""A class; the key is a route. Held by the worker that processes the route's events, so that a lead's are in order."""

CONFIGURATION_LOCKS: Final = 7_306_157
"""A class; the key is an OU's hash. Exclusive while its configuration changes, shared while events are scored by it."""

UPLOAD_LOCKS: Final = 7_306_158
"""A class; the key is an OU's hash. Shared while a file of leads is uploaded, exclusive when a lead is deleted: the
deletion then sees every file that may contain the lead."""

BOOTSTRAP_LOCK: Final = 7_306_159
"""A number. Held while the first organization is created: processes that start together create one."""
