"""The city link: cases and alarms told to a city's or province's platform in its own form, and the daily comparison of both lists.

`form`, `facts`, `mapping`, `matching` and `lists` are pure; `queue`, `reading`, `platform`, `sender` and `reconcile` are the shell. What a
platform wants is data (`forms/*.toml`); what is told is noted by the database, in the transaction of what it tells.
"""
