"""What can be swapped: one folder an engine, `base.py` its port and values, one file a backend."""
