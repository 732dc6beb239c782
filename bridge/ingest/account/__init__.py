"""The account's truth. RULE: what was missed is read by REST and folded in as differences."""
