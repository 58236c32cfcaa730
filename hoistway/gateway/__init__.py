"""A gateway for terminals that speak frames over TCP: their messages through an adapter, out by our own MQTT contract.

Part of the roof, because it joins three rooms: the adapters of `ingest`, and the device half of the contract that `simulators` has as a
reference. It is a device like any other: it knows no database and no engine. `terminals` decides, `uplink` speaks MQTT, `serve` TCP.
"""
