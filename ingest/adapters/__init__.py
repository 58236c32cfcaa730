"""Foreign payloads become samples and events of the MQTT contract. Pure: no I/O, no clock, no database, no MQTT client.

A format is a file in `formats/` and, where a table cannot say it, one small function in `unpack`. docs/adapters.md says how to add one.
"""
