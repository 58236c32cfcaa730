"""Rescue cases: what follows from an alarm (pure core) and the timers that carry it on (shell)."""
