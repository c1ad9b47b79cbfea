//@use ptx/types

//# Operands of matrix instructions from shared memory.

//@if ordered_loads
/*
 * Four 8 x 8 matrices of 16-bit elements. Lane l gives the address of row l % 8 of matrix l / 8 and gets, in word m,
 * elements 2 (l % 4) and 2 (l % 4) + 1 of row l / 4 of matrix m. The compiler asks for none before its place, since
 * what is asked for early takes registers that this tile does not have.
 */
void load_matrices(u32 (&words)[4], u32 address) {
  __syncwarp();
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(words[0]), "=r"(words[1]), "=r"(words[2]), "=r"(words[3]) : "r"(address) : "memory");
}

/* The same of the transposed matrices: rows and columns of the result change places. */
void load_matrices_transposed(u32 (&words)[4], u32 address) {
  __syncwarp();
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(words[0]), "=r"(words[1]), "=r"(words[2]), "=r"(words[3]) : "r"(address) : "memory");
}
//@else
/*
 * Four 8 x 8 matrices of 16-bit elements. Lane l gives the address of row l % 8 of matrix l / 8 and gets, in word m,
 * elements 2 (l % 4) and 2 (l % 4) + 1 of row l / 4 of matrix m.
 */
void load_matrices(u32 (&words)[4], u32 address) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(words[0]), "=r"(words[1]), "=r"(words[2]), "=r"(words[3]) : "r"(address) : "memory");
}

/* The same of the transposed matrices: rows and columns of the result change places. */
void load_matrices_transposed(u32 (&words)[4], u32 address) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(words[0]), "=r"(words[1]), "=r"(words[2]), "=r"(words[3]) : "r"(address) : "memory");
}
//@end
