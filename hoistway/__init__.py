"""The words every room may know: model, wire contract, life cycles, limits, errors, store, embedded services, command."""

__version__ = "0.1.0"
