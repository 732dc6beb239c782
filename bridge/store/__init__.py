"""What is kept in Redis. RULE: the only code of the bridge that speaks Redis; key names are in `keys` alone.

What reads for bots is in `consumer`.

`client` connects, by way of `servers`; `writing` appends what was received; `desired` keeps the wishes, `members` who
is alive and what each serves, `reader` gives entries back. The Lua beside them decides, next to the data, what is new.
`embedded` is a server of our own for those who run none.
"""
