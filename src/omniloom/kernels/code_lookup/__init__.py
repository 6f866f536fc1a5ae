"""What frames of codes stand for, read from tables."""

from omniloom.kernels.code_lookup.operator import look_up_codes as look_up_codes
