"""`hoistway up`: everything on one machine, supervised. Wiring only; each part is a process of its own."""
