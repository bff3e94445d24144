"""The version, alone, so that it can be read without importing anything."""

__all__ = ["__version__"]

__version__ = "0.1.0"
