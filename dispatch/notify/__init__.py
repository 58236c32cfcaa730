"""Notifications: the outbox leaves from here. `channels`, `plan` and `texts` decide; `planning`, `sender` and `ways` act; `keeping` is for people."""
