"""How it is recorded: view, light, camera and the scene of a take."""
