"""Requests to addresses that others wrote, and what they are signed with."""
