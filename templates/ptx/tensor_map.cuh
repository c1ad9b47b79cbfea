//@use ptx/memory

//# Copies by tensor maps.

/*
 * Starts the copy of a box of a tensor of rank 4 to shared memory, from the element at these coordinates on. What lies
 * outside of the tensor becomes 0. All bytes of the box arrive on the barrier.
 */
void copy_box(u32 to, const fi_tensor_map &map, u64 *barrier, int x0, int x1, int x2, int x3) {
  asm volatile("cp.async.bulk.tensor.4d.shared::cluster.global.mbarrier::complete_tx::bytes "
               "[%0], [%1, {%2, %3, %4, %5}], [%6];"
               : : "r"(to), "l"(&map), "r"(x0), "r"(x1), "r"(x2), "r"(x3), "r"(shared_address(barrier)) : "memory");
}

/* The same of a tensor of rank 5. */
void copy_box(u32 to, const fi_tensor_map &map, u64 *barrier, int x0, int x1, int x2, int x3, int x4) {
  asm volatile("cp.async.bulk.tensor.5d.shared::cluster.global.mbarrier::complete_tx::bytes "
               "[%0], [%1, {%2, %3, %4, %5, %6}], [%7];"
               : : "r"(to), "l"(&map), "r"(x0), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(shared_address(barrier))
               : "memory");
}

/* Brings a map where copies look for it. */
void ask_for_map(const fi_tensor_map &map) {
  asm volatile("prefetch.tensormap [%0];" : : "l"(&map) : "memory");
}
