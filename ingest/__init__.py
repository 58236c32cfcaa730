"""MQTT in: batch, decode, engine, one transaction, acknowledge. The shell around the pure engine."""
