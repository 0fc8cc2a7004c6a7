"""Translates reports on models."""
