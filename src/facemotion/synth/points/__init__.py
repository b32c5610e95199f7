"""People without pictures: mesh points of a performance, and how the mesh answers to it."""
