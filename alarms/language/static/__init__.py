"""What can be said of a rule before it runs: whether it can be raised, and whether it can be cleared. `liveness.refuse_dead` is the door."""
