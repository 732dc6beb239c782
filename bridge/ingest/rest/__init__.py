"""The exchange's REST. RULE: alone asks it, within the budget that all share."""
