"""The way to the servers: one, those that sentinels name, a cluster. RULE: knows no key."""
