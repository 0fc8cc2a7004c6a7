"""SQL that keeps the versions of the customer models."""
