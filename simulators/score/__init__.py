"""How good the alarms of a run were: truth and alarms as plain records in, a scorecard out. Pure: no I/O, no clock, no engine.

A **run** is what one story gave: its truth, its alarms, what would have been dispatched. docs/score.md says what each figure means.
"""
