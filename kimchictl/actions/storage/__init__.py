"""Pools and volumes, and who needs them."""
