"""`python -m omniloom.cli`, which is what torchrun starts: `torchrun --nproc-per-node 2 -m omniloom.cli train tiny`."""

from __future__ import annotations

from omniloom.cli.program import main

if __name__ == "__main__":  # workers that prepare data import this module too
    raise SystemExit(main())
