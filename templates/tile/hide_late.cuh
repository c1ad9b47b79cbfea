//# Tokens without a bit, whose scores leave the softmax late: few steps lift maxima, and ask which scores are seen.

//@if mask_bits
//@use tile/mask_bits
typedef MaskBits LateBits;

LateBits late_bits(const MaskBits &bits) {
  return bits;
}

void hide_late(Scores &scores, const LateBits &bits) {
  hide_unseen(scores, bits);
}
//@else
/* No mask has bits. */
struct LateBits {};

template <typename Bits> LateBits late_bits(const Bits &bits) {
  return {};
}

void hide_late(Scores &scores, const LateBits &bits) {}
//@end
