"""Lifts, escalators, people and what the terminals see of them. Pure: time and chance come in, records come out.

Two ways to compute the same physics (`motion`, `demand`): event by event with an object a lift (`physics`, `escalator`; exact instants,
a small city in real time), and the fleet as columns (`columns` and what it is made of; a hundred thousand lifts, the fault catalogue).
"""
