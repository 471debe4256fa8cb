"""What IAM has to allow: policies and templates to paste, and what mends a target that is denied.

Pure; it may use the settings and what stands below them.
"""
