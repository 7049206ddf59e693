"""Which system is on an image: osinfo-db, our rules, what a site taught, and the look inside."""
