"""The session: one facade over everything, read by the doors."""
