//# A launch may begin while the one in front of it in the stream ends.

/* Lets the launch behind this one begin as soon as there is room, and waits for the one in front and its writes. */
void wait_for_stream() {
  asm volatile("griddepcontrol.launch_dependents;" ::: "memory");
  asm volatile("griddepcontrol.wait;" ::: "memory");
}
