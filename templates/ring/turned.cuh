//@use ring/panels

//# V turned: a row for each dim, of the tokens of a step.

constexpr u32 kTurnedBytes = kVDim * kPanelRow;

u8 *turned_of_stage(u8 *shared, u32 stage) {
  return shared + kSharedTurned + stage * kTurnedBytes;
}
