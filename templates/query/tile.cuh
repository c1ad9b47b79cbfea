//@use ring/stages

//# The tile of Q in shared memory: rows of 16-bit elements.

constexpr u32 kQueryChunks = kQkDim / 8;

u8 *query_tile(u8 *shared) {
  return shared + kSharedQuery;
}
