// Products of a sparse weight with dense columns.
// Shapes     a weight of N outputs by K inputs is cut into blocks of inputs, and within one into blocks of 1, 2 or 4 outputs
//            that share their inputs. Four outputs (4, 2 or 1 blocks) are computed together: an entry holds one input of each
//            block and the weights of the four, columns[entry][block] and values[entry][output]. Blocks with equally many
//            inputs are put together; one that has fewer than its neighbours is filled up with an input of zeros, after all
//            that a block may have. rows[] names the blocks of outputs, starts[] the first entry of every four outputs.
//            A panel is some columns, a multiple of 8, of one block of inputs and of that of zeros: input[column],
//            `panel_stride` apart. It may be a part of an image, without the zeros.
// Alignment  that of the element type; rows of a panel that begin a cache line are read faster.
// Exactness  products are summed in float32, one input after the other.
#pragma once
#include <stdint.h>

enum { SPARSE_COLUMNS = 8 };  // what a panel's width is a multiple of
enum { SPARSE_OUTPUTS = 4 };  // computed together

struct SparseEntries {
  const void* values;  // float32 or bfloat16
  const uint16_t* columns;
  const int32_t* starts;  // one more than there are fours
  const int32_t* rows;
  int64_t num_fours;   // of outputs, in this block of inputs
  int64_t num_inputs;  // of a panel without rows of zeros: entries that name one after them read zeros. 0: it has them
};

// out[output][column] of all outputs, a panel wide and `stride` apart. Sums begin with the bias, where there is one padded to
// fours, or with zero, or with what is in `out`. What is far, in the third cache or in memory, is asked for before it is
// written.
typedef void (*SparsePanel)(const SparseEntries* entries, const float* panel, int64_t panel_stride, int64_t width,
                            const float* bias, bool adds, float* out, int64_t stride, bool is_far);

// The largest of `count` places of inputs.
typedef uint16_t (*SparseLargest)(const uint16_t* columns, int64_t count);
