"""The exchange's sockets. RULE: alone opens them; knows records and topics, no Redis."""
