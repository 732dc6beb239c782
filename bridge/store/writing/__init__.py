"""The way of a record into its stream. RULE: in order, idempotent, bounded."""
