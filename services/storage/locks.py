"""The advisory locks that services take within a tenant, in one place so that no two mean different things by one key.

Each is taken with `hashtext(tenant)` beside it, for as long as its transaction lasts.
"""

from __future__ import annotations

#: Settings: shared by who counts by them, exclusive for who changes them or erases.
SETTINGS = 1380012
#: Writers of facts: shared by recorders, exclusive for who erases, deletes or moves the horizon.
WRITERS = 1380013
#: The versions of the scoring policy.
POLICY = 1380014
#: A rebuild of the rollups.
REBUILD = 1380020
