"""The rule language: TOML texts to checked rules. `reader.load` is the door; nothing here evaluates a rule."""
