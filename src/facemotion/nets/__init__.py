"""Networks in torch; only training knows them (extra: train)."""
