"""Samples at rest: moves rows into blocks, closed hours into chunks, empties what is in both, and lets go what is too old. A process of its own."""
