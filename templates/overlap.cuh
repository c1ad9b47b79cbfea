//# A launch may begin while the one in front of it ends.

/*
 * Waits for the launch in front of this one and its writes. The launch behind begins when all CTAs of this one have
 * ended and not before (griddepcontrol.launch_dependents): CTAs that begin while others work share the SMs where work
 * ended first.
 */
void wait_for_stream() {
  asm volatile("griddepcontrol.wait;" ::: "memory");
}
