// vLLM's PagedAttention v1 and v2, called from C: its kernels are templates in headers of its sources, which the user
// names; these are their launches for bf16.
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

template <int kDim>
int shared_bytes(int logits) {
  const int outputs = kThreads / WARP_SIZE / 2 * kDim;
  return (logits > outputs ? logits : outputs) * int(sizeof(float));
}

template <int kDim, int kPage>
int launch_v1(const Batch &b, void *o, const void *q, const void *k, const void *v) {
  using T = __nv_bfloat16;
  auto kernel = vllm::paged_attention_v1_kernel<T, T, kDim, kPage, kThreads, vllm::Fp8KVCacheDataType::kAuto, false>;
  const int bytes = shared_bytes<kDim>((b.most_kv + kPage - 1) / kPage * kPage);
  cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, bytes);
  kernel<<<dim3(b.query_heads, b.requests), kThreads, bytes, b.stream>>>(
      static_cast<T *>(o), static_cast<const T *>(q), static_cast<const T *>(k), static_cast<const T *>(v), b.heads,
      b.scale, b.table, b.lengths, b.pages, nullptr, b.query_stride, b.page_stride, b.head_stride, b.k_scale,
      b.v_scale, 0, 0, 0, 0, 0);
  return cudaGetLastError();
}

struct Parts {
  float *sums, *most;
  void *outputs;
};

template <int kDim, int kPage>
int launch_v2(const Batch &b, const Parts &parts, void *o, const void *q, const void *k, const void *v) {
  using T = __nv_bfloat16;
  auto kernel = vllm::paged_attention_v2_kernel<T, T, kDim, kPage, kThreads, vllm::Fp8KVCacheDataType::kAuto, false,
                                                kPartition>;
  const int count = (b.most_kv + kPartition - 1) / kPartition;
  T *outputs = static_cast<T *>(parts.outputs);
  kernel<<<dim3(b.query_heads, b.requests, count), kThreads, shared_bytes<kDim>(kPartition), b.stream>>>(
      parts.sums, parts.most, outputs, static_cast<const T *>(q), static_cast<const T *>(k),
      static_cast<const T *>(v), b.heads, b.scale, b.table, b.lengths, b.pages, nullptr, b.query_stride,
      b.page_stride, b.head_stride, b.k_scale, b.v_scale, 0, 0, 0, 0, 0);
  vllm::paged_attention_v2_reduce_kernel<T, kDim, kThreads, kPartition>
      <<<dim3(b.query_heads, b.requests), kThreads, 2 * count * sizeof(float), b.stream>>>(
          static_cast<T *>(o), parts.sums, parts.most, outputs, b.lengths, count);
  return cudaGetLastError();
}

}  // namespace

// The dims and pages that are built. 0 is success.
#define FOR_EACH(CASE) CASE(64, 16) CASE(64, 32) CASE(128, 16) CASE(128, 32) CASE(256, 16) CASE(256, 32)

#define BATCH                                                                                                         \
  { heads, page, most_kv, requests, query_heads, dim, pages, query_stride, page_stride, head_stride, scale, table,    \
    lengths, k_scale, v_scale, stream }

extern "C" int paged_attention_v1_bf16(void *o, const void *q, const void *k, const void *v, const void *, int heads,
                                       float scale, float, const int *table, const int *lengths, int page, int most_kv,
                                       int requests, int query_heads, int dim, int pages, int query_stride,
                                       int page_stride, int head_stride, cudaStream_t stream, uint32_t,
                                       const float *k_scale, const float *v_scale, const void *) {
  const Batch batch = BATCH;
#define CASE(d, p) if (dim == d && page == p) return launch_v1<d, p>(batch, o, q, k, v);
  FOR_EACH(CASE)
#undef CASE
  return cudaErrorInvalidValue;
}

extern "C" int paged_attention_v2_bf16(void *o, float *sums, float *most, void *outputs, const void *q, const void *k,
                                       const void *v, const void *, int heads, float scale, float, const int *table,
                                       const int *lengths, int page, int most_kv, int requests, int query_heads,
                                       int dim, int pages, int query_stride, int page_stride, int head_stride,
                                       cudaStream_t stream, uint32_t, const float *k_scale, const float *v_scale,
                                       const void *) {
  const Batch batch = BATCH;
  const Parts parts = {sums, most, outputs};
#define CASE(d, p) if (dim == d && page == p) return launch_v2<d, p>(batch, parts, o, q, k, v);
  FOR_EACH(CASE)
#undef CASE
  return cudaErrorInvalidValue;
}
