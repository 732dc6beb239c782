"""Who serves what. RULE: every ingester comes to the same answer from the same cards."""
