"""Runs: a simulated story before the rules, in memory. Part of the roof: it knows simulators, ingest and engine, and none of them knows it.

`play` makes a run, `folder` keeps it, `score` reads it for `simulators.score`, `sweep` folds one with many holds, `rehearse` adds the desk.
"""
