"""Between the terminals and the platform: networks that lose, delay and double, terminals that restart, clocks that are wrong.

`carrier` moves the rows of a fleet in columns; `weather` is what may be wrong with everybody's network. Pure.
"""
