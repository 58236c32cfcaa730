"""One machine: how a car moves, who wants to ride, doors, people and control of a lift, an escalator, makers of terminals. Pure.

`motion` and `demand` are the physics and the traffic that the fleet in columns (`simulators.columns`) shares; `physics` and `escalator` play
a single machine event by event.
"""
