// Depthwise convolution row by row of the output. Inside a row, pixels whose taps all lie inside the input form a run:
// a pointer for each tap serves all of it. At its ends every pixel is by itself. Taps outside the input are left out.
#pragma once
#include "direct.h"

struct DepthwiseTaps {
  std::vector<const float*> rows, weights;
};

// From output pixel (image, y, x), as many as `count` to its right whose taps lie alike.
inline void convolve_run(const ConvGeometry& of, const ConvWeights& weights, ConvDepthwiseKernel kernel, int64_t image,
                         int64_t y, int64_t x, int64_t count, DepthwiseTaps& taps, float* to) {
  int64_t num_taps = 0;
  for (int64_t tap = 0; tap < of.num_taps(); ++tap) {
    const int64_t from_y = y * of.stride_height - of.top + tap / of.kernel_width * of.dilation_height;
    const int64_t from_x = x * of.stride_width - of.left + tap % of.kernel_width * of.dilation_width;
    const float* row = pixel_at(of, image, from_y, from_x, 0);
    if (row == of.zero) continue;
    taps.rows[num_taps] = row;
    taps.weights[num_taps++] = weights.panels + tap * of.channels_in;
  }
  const int64_t pixel = (image * of.height_out + y) * of.width_out + x;
  const int64_t low = (y + 1) * of.stride_height - of.top + (of.kernel_height - 1) * of.dilation_height;
  const float* next = pixel_at(of, image, low, x * of.stride_width, 0);
  const ConvDepthwise call{
      taps.rows.data(), taps.weights.data(), weights.bias, next == of.zero ? nullptr : next,
      to + pixel * of.channels_out, num_taps, count, of.pixel_stride * of.stride_width, of.channels_out,
      // a run of several pixels has all taps of each row that it has any of
      count > 1 && of.kernel_width == 3 && of.stride_width == 1 && of.dilation_width == 1, weights.activation};
  kernel(&call);
}

inline void convolve_row(const ConvGeometry& of, const ConvWeights& weights, ConvDepthwiseKernel kernel, int64_t image,
                         int64_t y, DepthwiseTaps& taps, float* to) {
  const int64_t reach = (of.kernel_width - 1) * of.dilation_width, room = of.width - 1 - reach + of.left;
  const int64_t first = (of.left + of.stride_width - 1) / of.stride_width;  // the first whose taps are all inside
  int64_t end = room < 0 ? 0 : room / of.stride_width + 1;                  // and the one after the last
  end = end < of.width_out ? end : of.width_out;
  for (int64_t x = 0; x < of.width_out;) {
    const int64_t count = x >= first && x < end ? end - x : 1;
    convolve_run(of, weights, kernel, image, y, x, count, taps, to);
    x += count;
  }
}
