"""Recorded traffic: a compact file of messages, what can be done to it, and how it is played again.

A **tape** holds messages of the device contract as they came: when, whose, which topic, the very bytes. docs/record.md is its format.
"""
