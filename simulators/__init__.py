"""A simulated city whose truth is known: lifts that travel, people, faults by script, and the device half of the MQTT contract.

This room knows the wire contract and the model. It never imports the engine, ingest or the API: the test and the tested must not
share their mistakes.
"""
