"""The simulated Rysk."""
