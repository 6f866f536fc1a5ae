// Products of a few to many rows with a prepacked weight: float32, bfloat16 and int8.
// Shapes     a weight of N outputs by K inputs is cut into panels of 32 outputs. A panel holds ceil(K / G) groups, and a
//            group the G inputs that share a word of 32 bits (G is 1 for float32, 2 for bfloat16, 4 for int8) of each of its
//            outputs: panel[group][output][input within the group]. What is missing at the end of N or K is zero.
//            Rows come transposed in words of 32 bits, x[word][row]: a word is a float32, two bfloat16, or four uint8.
// Alignment  that of the element type.
// Exactness  int8 products are exact modulo 2^32. Others are summed in float32, one input after the other; where the processor
//            multiplies bfloat16 itself, two products are added before the sum and subnormal numbers count as zero.
#pragma once
#include <stdint.h>

enum { LINEAR_PANEL = 32, LINEAR_MAX_ROWS = 12 };

// Up to LINEAR_MAX_ROWS rows times one panel; `stride` words lie between x[word][0] and x[word + 1][0].
// out[row][output] is float32, or int32 for int8_matmul.
typedef void (*LinearTile)(const uint32_t* x, int64_t stride, int64_t num_rows, const void* panel, int64_t num_groups, void* out);

// What becomes of the sums of a tile, row by row: an output is (sum - correction) * row scale * scale + bias in float32, or in
// integers (sum - correction + bias) / 2^shift, to nearest, ties to even, within int8. Null where a step is left out; each
// of the others holds a whole panel's.
struct LinearFinish {
  const uint32_t* corrections;  // the sums are then int32, and this is modulo 2^32; else they are float32
  const float* row_scales;      // one for each row of the tile; goes with scales
  const float* scales;
  const float* bias;
  const int32_t* integer_bias;
  const int32_t* shifts;
};

typedef void (*LinearFinishTile)(const void* sums, int64_t num_rows, int64_t num_outputs, const LinearFinish* finish, void* out,
                                 int64_t out_stride);

// A row of `count` finite numbers as int8 from -127 to 127 and what one is worth: number ≈ to * scale.
typedef void (*QuantizeRow)(const void* row, int64_t count, int8_t* to, float* scale);
