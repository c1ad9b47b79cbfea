//@use tile/warpgroups

//# Who starts products when.

//@if turns
/*
 * Consumers take turns at starting products: while one does, the others are at their softmax. The first begins as if
 * the last had passed the turn to it.
 */
void wait_turn(u32 consumer) {
  asm volatile("barrier.sync %0, 256;" : : "r"(kTurnBarrier + consumer) : "memory");
}

void pass_turn(u32 consumer) {
  asm volatile("barrier.arrive %0, 256;" : : "r"(kTurnBarrier + consumer) : "memory");
}

void open_turns(u32 consumer) {
  if (consumer == kConsumers - 1)
    pass_turn(0);
}

/* Takes the last turn that was passed to the first. */
void close_turns(u32 consumer) {
  if (consumer == 0)
    wait_turn(0);
}

u32 consumer_after(u32 consumer) {
  return consumer == kConsumers - 1 ? 0 : consumer + 1;
}
//@else
/* Consumers start products when they can: two find their way past each other faster than in turns. */
void wait_turn(u32 consumer) {}

void pass_turn(u32 consumer) {}

void open_turns(u32 consumer) {}

void close_turns(u32 consumer) {}

u32 consumer_after(u32 consumer) {
  return consumer;
}
//@end
