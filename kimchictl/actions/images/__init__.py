"""Finding images and reading them: scans, sources, what a site teaches, mirrors and fetching."""
