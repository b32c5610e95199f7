"""The live socket and its sessions."""
