// A network over single frames in float64: a linear layer in, blocks (scale, norm, widen, GELU, narrow, and what came in added
// twice: layers.streaming_conv.CausalBlock of one tap), and a linear layer out.
//
// Shapes     matrices and biases are convolution's panels of one tap, in float32, which float64 holds exactly: half the memory
//            to read, and a frame at a time that is what there is to wait for. Rows between layers are padded to whole panels.
// Alignment  that of double.
// Exactness  a frame's sums have one order, so that its bits depend on no other frame; within 1e-13 of the result's scale.
#pragma once
#include <stdint.h>

enum { FRAME_PANEL = 32, FRAME_ROWS = 4 };

struct FrameMatrix {
  const float *panels, *bias;
  int64_t depth, num_columns;

  int64_t padded() const { return (num_columns + FRAME_PANEL - 1) / FRAME_PANEL * FRAME_PANEL; }
};

struct FrameBlock {
  const float *tap, *norm;
  FrameMatrix widen, narrow;
};

// At most FRAME_ROWS frames. `scratch` has room for two padded rows of the width, and one of the widest layer, for each.
struct FrameCall {
  const double* from;
  double *to, *scratch;
  const FrameBlock* blocks;
  FrameMatrix into, out;
  int64_t num_rows, num_blocks, widest;
  double epsilon;
};
typedef void (*FrameNetworkKernel)(const FrameCall*);
