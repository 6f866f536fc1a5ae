"""Codecs: a part to integer codes and back. Import the package of the one you need."""
