"""What goes wrong, what only looks like it, how often, and the truth about both. The platform never sees any of it.

`catalogue` reads what is shipped (`catalogue/*.toml`), `plan` says when and on which lift, `acts` plays it on the fleet in columns,
`truth` writes it down. `scripts` plays a few kinds on the city of objects.
"""
