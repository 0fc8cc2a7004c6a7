"""Fits the customer models."""
