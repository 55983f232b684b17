"""Derivatives market making, RFQ response and hedging on crypto venues."""

__version__ = "0.1.0"
