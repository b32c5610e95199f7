"""What the operating system gives: folders, files and processes. Knows nothing of faces."""
