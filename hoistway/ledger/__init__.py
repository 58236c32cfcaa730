"""The books of the ingest, read back: the quarantine, and what is stored of a device's streams. Knows the store and nothing of MQTT.

For the command. What is counted is decided in `ingest`; here it is only asked for, a page at a time.
"""
