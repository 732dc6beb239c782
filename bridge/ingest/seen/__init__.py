"""What an ingester tells of itself. RULE: reads the others' figures, changes nothing."""
