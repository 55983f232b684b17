"""GRVT."""
