"""`python -m omniloom.kernels` compiles the native operators."""

from omniloom.kernels.build import main

main()
