"""Building blocks of the models: attention, norms, feed-forward, positions, quantizers, streaming convolution."""
