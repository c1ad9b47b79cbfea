typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;

constexpr u32 kAllLanes = 0xffffffffu;

__device__ __forceinline__ u32 lane() {
  return threadIdx.x % 32;
}

__device__ __forceinline__ u32 warp() {
  return threadIdx.x / 32;
}
