"""Rysk v12, maker side: quotes signed for an option RFQ market with on-chain settlement."""
