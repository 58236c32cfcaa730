"""PostgreSQL and the MQTT broker as children of ours, the same on every machine, on loopback only."""
