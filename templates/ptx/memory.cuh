/* The 32-bit address of a pointer into shared memory, as the instructions below take it. */
u32 shared_address(const void *pointer) {
  return (u32)__cvta_generic_to_shared(pointer);
}

/* Starts a copy of 16 bytes from global to shared memory; if not valid, clears the 16 bytes and reads nothing. */
void copy_async(u32 to, const u8 *from, bool valid) {
  asm volatile("{.reg .pred ignore; setp.eq.u32 ignore, %2, 0;"
               "cp.async.cg.shared.global.L2::128B [%0], [%1], 16, ignore;}"
               : : "r"(to), "l"(from), "r"((u32)valid) : "memory");
}

/* The same of 8 bytes. */
void copy_async_half(u32 to, const u8 *from, bool valid) {
  asm volatile("{.reg .pred ignore; setp.eq.u32 ignore, %2, 0;"
               "cp.async.ca.shared.global.L2::128B [%0], [%1], 8, ignore;}"
               : : "r"(to), "l"(from), "r"((u32)valid) : "memory");
}

/* The same of 4 bytes. */
void copy_async_word(u32 to, const u8 *from, bool valid) {
  asm volatile("{.reg .pred ignore; setp.eq.u32 ignore, %2, 0;"
               "cp.async.ca.shared.global [%0], [%1], 4, ignore;}"
               : : "r"(to), "l"(from), "r"((u32)valid) : "memory");
}

/* Closes the group of copies that this thread started since the last one. */
void copy_commit() {
  asm volatile("cp.async.commit_group;" ::: "memory");
}

/* Waits until at most kPending of this thread's groups are under way. */
template <int kPending> void copy_wait() {
  asm volatile("cp.async.wait_group %0;" ::"n"(kPending) : "memory");
}

/* Asks for a line of global memory that will be read, and waits for nothing. */
void ask_for_line(const void *from) {
  asm volatile("prefetch.global.L1 [%0];" ::"l"(from));
}

/* A word of shared memory; never two words by one instruction, whose registers would have to be neighbours. */
u32 load_word(u32 address) {
  u32 word;
  asm volatile("ld.volatile.shared.u32 %0, [%1];" : "=r"(word) : "r"(address) : "memory");
  return word;
}

/* Two 8 x 8 matrices: lanes 0 to 15 give the addresses of their rows. */
void load_two_matrices(u32 (&words)[2], u32 address) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x2.shared.b16 {%0, %1}, [%2];"
               : "=r"(words[0]), "=r"(words[1]) : "r"(address) : "memory");
}

/* The same of the transposed matrices. */
void load_two_matrices_transposed(u32 (&words)[2], u32 address) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x2.trans.shared.b16 {%0, %1}, [%2];"
               : "=r"(words[0]), "=r"(words[1]) : "r"(address) : "memory");
}

/*
 * Takes one from a counter and returns what it was. Releases this CTA's writes and acquires the others': after
 * the barrier that follows, plain loads of all its threads see them.
 */
u32 count_down(u32 *counter) {
  u32 before;
  asm volatile("atom.acq_rel.gpu.global.add.u32 %0, [%1], %2;"
               : "=r"(before)
               : "l"(counter), "r"(0xffffffffu)
               : "memory");
  return before;
}

/* Writes a word. Whoever sees it by load_acquired sees what this thread has written or seen before. */
void store_released(u32 *to, u32 word) {
  asm volatile("st.release.gpu.global.u32 [%0], %1;" : : "l"(to), "r"(word) : "memory");
}

u32 load_acquired(const u32 *from) {
  u32 word;
  asm volatile("ld.acquire.gpu.global.u32 %0, [%1];" : "=r"(word) : "l"(from) : "memory");
  return word;
}

/* Lets others go on before a word is looked at again. */
void pause() {
  asm volatile("nanosleep.u32 64;");
}
