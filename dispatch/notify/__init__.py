"""Notifications: the outbox leaves from here. `plan`, `channels`, `signature`, `guard` and `texts` decide; `planning`, `sender` and `ways` act."""
