"""What makes documentation and schemas from the code: `make docs` runs it, and nothing ships it."""
