"""What people tell the centre: calls and what they become, callers, complaints with their time limits."""
