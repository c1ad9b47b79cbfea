// vLLM's PagedAttention v1 and v2, called from C: its kernels are templates in headers of its sources, which the user
// names; these are their launches for Q of bf16, and KV of bf16 or e4m3.
#include <cstdint>

#include "attention_kernels.cuh"

namespace {

constexpr int kThreads = 128;
constexpr int kPartition = 512;

struct Batch {
  int heads, page, most_kv, requests, query_heads, dim, pages, query_stride, page_stride, head_stride;
  float scale;
  const int *table, *lengths;
  const float *k_scale, *v_scale;
  cudaStream_t stream;
};

struct Parts {
  float *sums, *most;
  void *outputs;
};

using Q = __nv_bfloat16;

struct Bf16 {
  using Element = __nv_bfloat16;
  static constexpr auto kType = vllm::Fp8KVCacheDataType::kAuto;
};

struct E4m3 {
  using Element = uint8_t;
  static constexpr auto kType = vllm::Fp8KVCacheDataType::kFp8E4M3;
};

template <int kDim>
int shared_bytes(int logits) {
  const int outputs = kThreads / WARP_SIZE / 2 * kDim;
  return (logits > outputs ? logits : outputs) * int(sizeof(float));
}

template <class Kv, int kDim, int kPage>
int launch_v1(const Batch &b, void *o, const void *q, const void *k, const void *v) {
  using T = typename Kv::Element;
  auto kernel = vllm::paged_attention_v1_kernel<Q, T, kDim, kPage, kThreads, Kv::kType, false>;
  const int bytes = shared_bytes<kDim>((b.most_kv + kPage - 1) / kPage * kPage);
  cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, bytes);
  kernel<<<dim3(b.query_heads, b.requests), kThreads, bytes, b.stream>>>(
      static_cast<Q *>(o), static_cast<const Q *>(q), static_cast<const T *>(k), static_cast<const T *>(v), b.heads,
      b.scale, b.table, b.lengths, b.pages, nullptr, b.query_stride, b.page_stride, b.head_stride, b.k_scale,
      b.v_scale, 0, 0, 0, 0, 0);
  return cudaGetLastError();
}

template <class Kv, int kDim, int kPage>
int launch_v2(const Batch &b, const Parts &parts, void *o, const void *q, const void *k, const void *v) {
  using T = typename Kv::Element;
  auto kernel = vllm::paged_attention_v2_kernel<Q, T, kDim, kPage, kThreads, Kv::kType, false, kPartition>;
  const int count = (b.most_kv + kPartition - 1) / kPartition;
  Q *outputs = static_cast<Q *>(parts.outputs);
  kernel<<<dim3(b.query_heads, b.requests, count), kThreads, shared_bytes<kDim>(kPartition), b.stream>>>(
      parts.sums, parts.most, outputs, static_cast<const Q *>(q), static_cast<const T *>(k),
      static_cast<const T *>(v), b.heads, b.scale, b.table, b.lengths, b.pages, nullptr, b.query_stride,
      b.page_stride, b.head_stride, b.k_scale, b.v_scale, 0, 0, 0, 0, 0);
  vllm::paged_attention_v2_reduce_kernel<Q, kDim, kThreads, kPartition>
      <<<dim3(b.query_heads, b.requests), kThreads, 2 * count * sizeof(float), b.stream>>>(
          static_cast<Q *>(o), parts.sums, parts.most, outputs, b.lengths, count);
  return cudaGetLastError();
}

}  // namespace

// The dims and pages that are built. 0 is success.
#define FOR_EACH_BF16(DO)                                                                                             \
  DO(Bf16, 64, 16) DO(Bf16, 64, 32) DO(Bf16, 128, 16) DO(Bf16, 128, 32) DO(Bf16, 256, 16) DO(Bf16, 256, 32)
#define FOR_EACH_E4M3(DO) DO(E4m3, 128, 16) DO(E4m3, 128, 32)

#define PARAMETERS                                                                                                    \
  int heads, float scale, float, const int *table, const int *lengths, int page, int most_kv, int requests,           \
      int query_heads, int dim, int pages, int query_stride, int page_stride, int head_stride, cudaStream_t stream,   \
      uint32_t, const float *k_scale, const float *v_scale, const void *

#define BATCH                                                                                                         \
  { heads, page, most_kv, requests, query_heads, dim, pages, query_stride, page_stride, head_stride, scale, table,    \
    lengths, k_scale, v_scale, stream }

#define V1(Kv, d, p)                                                                                                  \
  if (dim == d && page == p)                                                                                          \
    return launch_v1<Kv, d, p>(batch, o, q, k, v);
#define V2(Kv, d, p)                                                                                                  \
  if (dim == d && page == p)                                                                                          \
    return launch_v2<Kv, d, p>(batch, parts, o, q, k, v);

#define FUNCTIONS(name, FOR_EACH)                                                                                     \
  extern "C" int paged_attention_v1_##name(void *o, const void *q, const void *k, const void *v, const void *,        \
                                           PARAMETERS) {                                                              \
    const Batch batch = BATCH;                                                                                        \
    FOR_EACH(V1)                                                                                                      \
    return cudaErrorInvalidValue;                                                                                     \
  }                                                                                                                   \
  extern "C" int paged_attention_v2_##name(void *o, float *sums, float *most, void *outputs, const void *q,           \
                                           const void *k, const void *v, const void *, PARAMETERS) {                  \
    const Batch batch = BATCH;                                                                                        \
    const Parts parts = {sums, most, outputs};                                                                        \
    FOR_EACH(V2)                                                                                                      \
    return cudaErrorInvalidValue;                                                                                     \
  }

FUNCTIONS(bf16, FOR_EACH_BF16)
FUNCTIONS(e4m3, FOR_EACH_E4M3)
