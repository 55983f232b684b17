"""A real local chain for tests: anvil from npm, and the Uniswap contracts from their own packages.

Nothing of it is shipped: node and bytecode are installed when a test asks for them.
"""

from atomizer.testing.chain.node import ChainError, Node, install

__all__ = ["ChainError", "Node", "install"]
