// Depthwise convolution in torch's own layout: a few channels of a few rows at a time are turned into pixels whose
// channels are adjacent, convolved, and turned back, all in the second cache.
#pragma once
#include "depthwise_runs.h"

// Rows of the output, from `first` on, of one group of channels of one image.
struct DepthwiseBand {
  int64_t image, channel, num_channels, first, num_rows;
};

struct DepthwiseBands {
  int64_t num_images, num_channels, height_out, rows;  // rows of the output in a band, fewer in the last
  static constexpr int64_t CHANNELS = 32;

  explicit DepthwiseBands(const ConvGeometry& of)
      : num_images(of.num_images), num_channels(of.channels_in), height_out(of.height_out) {
    const int64_t bytes = (of.width * of.stride_height + of.width_out) * CHANNELS * (int64_t)sizeof(float);
    rows = (256 << 10) / bytes;
    rows = rows < 1 ? 1 : rows > height_out ? height_out : rows;
  }
  int64_t groups() const { return (num_channels + CHANNELS - 1) / CHANNELS; }
  int64_t per_group() const { return (height_out + rows - 1) / rows; }
  int64_t count() const { return num_images * groups() * per_group(); }
  DepthwiseBand band(int64_t i) const {
    const int64_t channel = i / per_group() % groups() * CHANNELS, first = i % per_group() * rows;
    return {i / per_group() / groups(), channel, num_channels - channel < CHANNELS ? num_channels - channel : CHANNELS,
            first, height_out - first < rows ? height_out - first : rows};
  }
};

// What one thread needs for a band; kept between bands.
struct DepthwiseScratch {
  DepthwiseTaps taps;
  std::vector<float> weights, input, output;

  explicit DepthwiseScratch(const ConvGeometry& of)
      : taps{std::vector<const float*>(of.num_taps()), std::vector<const float*>(of.num_taps())} {}
};

// `from` and `to` are whole tensors of planes.
inline void convolve_band(const ConvGeometry& of, const ConvWeights& weights, const DepthwiseBand& band,
                          ConvDepthwiseKernel kernel, ConvTranspose transpose, const float* from,
                          DepthwiseScratch& scratch, float* to) {
  const int64_t num = band.num_channels, last = band.first + band.num_rows - 1;
  int64_t top = band.first * of.stride_height - of.top;
  int64_t bottom = last * of.stride_height - of.top + (of.kernel_height - 1) * of.dilation_height + 1;
  top = top < 0 ? 0 : top > of.height ? of.height : top;
  bottom = bottom < top ? top : bottom > of.height ? of.height : bottom;

  scratch.weights.resize(of.num_taps() * num);
  for (int64_t tap = 0; tap < of.num_taps(); ++tap)
    memcpy(&scratch.weights[tap * num], weights.panels + tap * of.channels_in + band.channel, num * sizeof(float));
  scratch.input.resize((bottom - top) * of.width * num + 1);
  scratch.output.resize(band.num_rows * of.width_out * num);
  const int64_t plane = of.height * of.width, plane_out = of.height_out * of.width_out;
  const int64_t first_plane = band.image * of.channels_in + band.channel;
  transpose(from + first_plane * plane + top * of.width, plane, scratch.input.data(), num, num,
            (bottom - top) * of.width);

  // The band is an image of its own: row 0 is row `top`, and as much less padding lies above it.
  ConvGeometry part = of;
  part.from = scratch.input.data();
  part.num_images = 1;
  part.channels_in = part.channels_out = part.groups = part.pixel_stride = num;
  part.row_stride = of.width * num;
  part.height = bottom - top;
  part.height_out = band.num_rows;
  part.top = of.top + top - band.first * of.stride_height;
  const ConvWeights part_weights{scratch.weights.data(), weights.bias + band.channel, weights.activation};
  for (int64_t y = 0; y < band.num_rows; ++y)
    convolve_row(part, part_weights, kernel, 0, y, scratch.taps, scratch.output.data());
  transpose(scratch.output.data(), num, to + first_plane * plane_out + band.first * of.width_out, plane_out,
            band.num_rows * of.width_out, num);
}
