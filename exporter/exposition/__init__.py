"""The metric table and its rendered text."""
