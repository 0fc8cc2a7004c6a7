"""Recomputes every rollup from the stored facts and compares: `python -m services.storage.verify`.

It is the check of the scoring worker, so it shares no code with it: what the rollups must be is written here a second time,
from docs/numbers.md, as plain SQL over whole tables.
"""
