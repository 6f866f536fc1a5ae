"""The suites of this package, a file each; a module imports what measures only when its suite runs."""
