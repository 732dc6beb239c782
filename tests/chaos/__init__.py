"""Chaos: real programs, an exchange that misbehaves, a store that dies, and the truth to hold the streams against."""
