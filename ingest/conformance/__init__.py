"""What a real device does wrong: its traffic for some minutes, judged against the device half of the contract."""
