"""The metric table and its rendered bytes."""
