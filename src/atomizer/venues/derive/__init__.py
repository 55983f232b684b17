"""Derive (formerly Lyra), generations v2 and v3."""
