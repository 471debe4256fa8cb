"""What the commands do once the command line is understood. May import everything but each other."""
