"""Where a turn may stop without having ended, and spoken requests to measure that on."""
