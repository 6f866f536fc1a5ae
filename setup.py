"""The build step that pyproject.toml cannot express: native code, where there is a compiler.

Everything else about the package is declared in pyproject.toml.
"""

from setuptools import setup

setup()
