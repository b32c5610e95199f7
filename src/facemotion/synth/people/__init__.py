"""Who is filmed: heads fitted to portraits, their layers and backdrop, and the cast of a set."""
