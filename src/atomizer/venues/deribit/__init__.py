"""Deribit API v2."""
