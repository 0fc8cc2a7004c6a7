"""Translates policies."""
