//# A launch may begin while the one in front of it ends.

//@if overlaps
/*
 * Waits for the launch in front of this one and its writes. No kernel executes griddepcontrol.launch_dependents, so
 * that the launch after begins when all CTAs of this one have ended: CTAs that came earlier would share the SMs where
 * work ended first.
 */
void wait_for_stream() {
  asm volatile("griddepcontrol.wait;" ::: "memory");
}
//@else
/* Launches of this target do not overlap. */
void wait_for_stream() {}
//@end
