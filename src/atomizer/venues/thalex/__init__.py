"""Thalex."""
