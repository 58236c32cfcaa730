"""What people keep and ask of notifications: contacts, endpoints, drills, receipts, the outbox as it is read."""
