//# A launch may begin while the one in front of it ends.

//@if overlaps
/*
 * Waits for the launch in front of this one and its writes. Unless that lets this one begin earlier, it does when all
 * CTAs of the other have ended: CTAs that came earlier would share the SMs where work ended first.
 */
void wait_for_stream() {
  asm volatile("griddepcontrol.wait;" ::: "memory");
}
//@else
/* Launches of this target do not overlap. */
void wait_for_stream() {}
//@end
