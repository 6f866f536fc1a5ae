// A causal block: mix over time by channel, norm, widen, GELU, narrow, and what came in added twice: before the norm and at
// the end (layers.streaming_conv.CausalBlock). Products are those of convolution's tiles; here is what lies between them.
//
// Shapes     frames and pasts are rows of `width` channels; taps are (num_taps, width), the last of them for the frame itself;
//            matrices and biases are convolution's panels of one tap.
// Alignment  that of float.
// Exactness  a frame's result depends on its own taps alone, so that a sound in pieces gives the bits of the whole one.
#pragma once
#include <stdint.h>

// A frame plus the sum of its taps, at unit root mean square and times `norm`, written to `to`.
struct CausalMix {
  const float* const* rows;  // (num_taps): the frame of each tap
  const float* taps;
  const float* norm;
  float* to;
  int64_t num_taps, width;
  float epsilon;
};
typedef void (*CausalMixKernel)(const CausalMix*);

// to[i] += from[i].
typedef void (*CausalAddKernel)(const float* from, int64_t count, float* to);

// to = low + (high - low) / (1 + exp(-(from - middle) / reach)).
struct CausalBound {
  const float* from;
  float* to;
  int64_t count;
  float low, high, middle, reach;
};
typedef void (*CausalBoundKernel)(const CausalBound*);
