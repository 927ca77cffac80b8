"""Model weights: finding, importing and verifying them; graphs built from them."""
