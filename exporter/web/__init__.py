"""What is served over HTTP: metrics, pages and the API, by the rules of the web file.

The only package that may import Starlette and uvicorn; it reads the status and the exposition, and
asks nothing of AWS.
"""
