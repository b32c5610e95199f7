"""What every command shares at the terminal: messages, progress and Ctrl-C."""
