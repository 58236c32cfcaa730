"""A slow, plain alarm engine written from docs/rules.md: one lift at a time, dictionaries, None for unknown.

It shares no expression, hold or time code with `alarms`; of the product it knows the words (`hoistway.model`) only.
"""
