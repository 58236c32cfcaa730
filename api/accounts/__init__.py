"""People's accounts: who there is, what they may, how they prove who they are."""
