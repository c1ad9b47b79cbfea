/* Three kernels in CUDA C++, each with places where MUTANT=n breaks one thing. MUTANT=0 is correct. */
#ifndef GPUSIM_CUDA_SOURCES_H
#define GPUSIM_CUDA_SOURCES_H

/* gemm: C[m][n] = A[m][k] B[n][k], f16 in, f32 out; tiles of 64 x 64 x 32, cp.async double buffering,
 * ldmatrix, mma. grid x = tiles of n, and m is one tile a block row; 128 threads; k a multiple of 8. */
extern const char cuda_gemm[];

/* total: sum of a vector by many blocks; the last block to arrive adds the partial sums. 128 threads. */
extern const char cuda_total[];

/* softmax: one warp a row of 128 floats, with an exchange through shared memory; 128 threads, 4 rows a block.
 */
extern const char cuda_softmax[];

#endif
