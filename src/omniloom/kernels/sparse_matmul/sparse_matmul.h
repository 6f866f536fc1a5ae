// Products of a sparse weight with dense columns.
// Shapes     a weight of N outputs by K inputs is cut into blocks of inputs, and within one into blocks of 1, 2 or 4 outputs
//            that share their inputs. Four outputs (4, 2 or 1 blocks) are computed together: an entry holds one input of each
//            block and the weights of the four, columns[entry][block] and values[entry][output]. Blocks with equally many
//            inputs are put together; one that has fewer than its neighbours is filled up with the input `fill`, which stands
//            for zeros. rows[] names the blocks of outputs, starts[] the first entry of every four outputs.
//            A panel is up to 96 columns of one block of inputs, a multiple of 16: input[column], `input_stride` apart.
// Alignment  that of the element type.
// Exactness  products are summed in float32, one input after the other.
#pragma once
#include <stdint.h>

enum { SPARSE_COLUMNS = 16, SPARSE_MAX_WIDTH = 6 };  // a panel has 1 to 6 times 16 columns
enum { SPARSE_OUTPUTS = 4 };                         // computed together

struct SparseEntries {
  const void* values;  // float32 or bfloat16
  const uint16_t* columns;
  const int32_t* starts;  // one more than there are fours
  const int32_t* rows;
  int64_t num_fours;  // of outputs, in this block of inputs
  int64_t fill;       // the input that is none
};

// out[output][column] of all outputs, a panel wide and `stride` apart. Sums begin with the bias, where there is one padded to
// fours, or with zero, or with what is in `out`.
typedef void (*SparsePanel)(const SparseEntries* entries, const float* panel, int64_t input_stride, int64_t width,
                            const float* bias, bool adds, float* out, int64_t stride);

// The largest of `count` places of inputs.
typedef uint16_t (*SparseLargest)(const uint16_t* columns, int64_t count);
