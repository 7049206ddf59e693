"""The host: what it can do, what it uses, what is wrong with it, and the work that takes long."""
