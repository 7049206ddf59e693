"""Domains: their XML, their state, their devices."""
