"""Guided fuzzing of everything that reads bytes of strangers: `targets` says what must hold, `one` drives it, `campaign` counts."""
