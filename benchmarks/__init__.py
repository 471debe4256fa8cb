"""What polls and scrapes cost, against references measured in the same run: `make bench`."""
