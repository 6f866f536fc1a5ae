// Softmax of one row.
// Shapes     count numbers in, as many out; the two may be the same memory.
// Alignment  that of the element type.
// Exactness  within 1e-6 of the true value relative to the largest output, at any count: sums are taken in blocks.
#pragma once
#include <stdint.h>

typedef void (*SoftmaxRow)(const float* from, float* to, int64_t count);
