/* The 32-bit address of a pointer into shared memory, as the instructions below take it. */
__device__ __forceinline__ u32 shared_address(const void *pointer) {
  return (u32)__cvta_generic_to_shared(pointer);
}

/* Starts a copy of 16 bytes from global to shared memory; if not valid, clears the 16 bytes and reads nothing. */
__device__ __forceinline__ void copy_async(u32 to, const u8 *from, bool valid) {
  asm volatile("{\n.reg .pred ignore;\nsetp.eq.u32 ignore, %2, 0;\n"
               "cp.async.cg.shared.global.L2::128B [%0], [%1], 16, ignore;\n}" ::"r"(to),
               "l"(from), "r"((u32)valid)
               : "memory");
}

/* Closes the group of copies that this thread started since the last one. */
__device__ __forceinline__ void copy_commit() {
  asm volatile("cp.async.commit_group;" ::: "memory");
}

/* Waits until at most kPending of this thread's groups are under way. */
template <int kPending> __device__ __forceinline__ void copy_wait() {
  asm volatile("cp.async.wait_group %0;" ::"n"(kPending) : "memory");
}

/*
 * Four 8 x 8 matrices of 16-bit elements. Lane l gives the address of row l % 8 of matrix l / 8 and gets, in word m,
 * elements 2 (l % 4) and 2 (l % 4) + 1 of row l / 4 of matrix m.
 */
__device__ __forceinline__ void load_matrices(u32 (&words)[4], u32 address) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(words[0]), "=r"(words[1]), "=r"(words[2]), "=r"(words[3])
               : "r"(address)
               : "memory");
}

/* The same of the transposed matrices: rows and columns of the result change places. */
__device__ __forceinline__ void load_matrices_transposed(u32 (&words)[4], u32 address) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(words[0]), "=r"(words[1]), "=r"(words[2]), "=r"(words[3])
               : "r"(address)
               : "memory");
}

/* Loads that bypass L1: partial results are written by other SMs. */
__device__ __forceinline__ float2 load_global2(const float *from) {
  float2 value;
  asm volatile("ld.global.cg.v2.f32 {%0, %1}, [%2];" : "=f"(value.x), "=f"(value.y) : "l"(from) : "memory");
  return value;
}

__device__ __forceinline__ float4 load_global4(const float *from) {
  float4 value;
  asm volatile("ld.global.cg.v4.f32 {%0, %1, %2, %3}, [%4];"
               : "=f"(value.x), "=f"(value.y), "=f"(value.z), "=f"(value.w)
               : "l"(from)
               : "memory");
  return value;
}

/* Takes one from a counter and returns what it was; releases this CTA's writes and acquires the others'. */
__device__ __forceinline__ u32 count_down(u32 *counter) {
  u32 before;
  asm volatile("atom.acq_rel.gpu.global.add.u32 %0, [%1], %2;" : "=r"(before) : "l"(counter), "r"(0xffffffffu) : "memory");
  return before;
}
