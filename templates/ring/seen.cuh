//@use ring/panels
//@use tile/warpgroups

//# Which rows of a stage of K are seen where lists say it: a bit each, as whoever copies the rows found it, so that
//# consumers do not ask the lists again.

constexpr u32 kSeenWords = kTeamTokens / 32;

u32 *seen_of_stage(u8 *shared, u32 stage) {
  return (u32 *)(shared + kSharedSeen) + stage * kSeenWords;
}

/* Notes for the consumer of a step which of its rows are seen. */
void note_seen(const u32 (&there)[kSeenWords], u32 stage, u8 *shared) {
#pragma unroll
  for (u32 w = 0; w < kSeenWords; w++)
    if (lane() == 0)
      seen_of_stage(shared, stage)[w] = there[w];
}
