"""What several test folders share: servers, databases, clients. No tests, no expectations."""
