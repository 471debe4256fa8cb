"""The metric table and its text, rendered as polls land and joined by a scrape.

It may use the state and what stands below that; it knows neither AWS nor HTTP.
"""
