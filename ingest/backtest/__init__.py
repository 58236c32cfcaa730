"""Backtest: the stored stream folded once with the rules of its time and once with a candidate's, and what differs.

`episodes`, `diff`, `report` and `page` are pure; `stream` and `recorded` read; `run` folds; `jobs` is the worker's side of the API.
"""
