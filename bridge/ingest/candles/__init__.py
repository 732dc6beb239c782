"""Candles, open and closed. RULE: decides what is over and what is proven; all but `prover` and `history` is pure."""
