"""Where the rooms meet: one thing that kimchictl does, a file."""
