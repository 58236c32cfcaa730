"""The fleet as columns: all machines as arrays over `simulators.life`'s physics, a hundred thousand lifts in one process. Pure.

`machines` is the whole; `cars` and `stairs` move, `traffic` brings people, `sense` and `overlay` make samples, `hands` are the verbs that faults
are made of, `shafts` is what does not change, `runs` the motion and `chance` the luck of many at once.
"""
