"""Telling people: channels, routes, groups of alerts, and notifications that are made, delivered and kept."""
