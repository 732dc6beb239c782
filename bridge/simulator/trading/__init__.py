"""The account that trades on the market. RULE: knows no socket."""
