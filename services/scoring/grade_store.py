"""SQL that keeps grades by day."""
