"""A server of our own. RULE: it lives in its directory and never outlives its parent."""
