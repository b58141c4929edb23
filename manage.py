#!/usr/bin/env python
"""Conduit's command line: `manage.py help` lists what it can do."""

from conduit.__main__ import main

if __name__ == "__main__":
    main()
