"""Which targets there are: listed accounts, AWS Organizations, regions and this replica's share.

It may use the settings and what stands below them; AWS is asked through two protocols of its own.
"""
