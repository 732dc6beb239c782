"""The market: candles that are consistent across timeframes and with REST. RULE: knows no account."""
