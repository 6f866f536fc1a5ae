"""Building blocks of the models: attention, norms, feed-forward, rotary positions, quantizers, streaming convolution."""
