"""`hoistway watch`, the dead-man's switch: plays the probe's terminal, waits for its alarm at the other end, and shouts when it does not come.

Depends on no other part: whatever is away, stopped or locked is something to say, never something to wait for without a limit.
"""
