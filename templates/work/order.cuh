//@use ptx/types
//@use ptx/overlap

//# Launches of one run may be on the machine together.

//@if overlaps
/* Lets the launch after this one begin once all CTAs have got here, not at their end. */
void let_next_begin() {
  asm volatile("griddepcontrol.launch_dependents;" ::: "memory");
}

/* What has been written in front of this is read from now on, and no older copy of it. */
void read_anew() {
  asm volatile("fence.acq_rel.gpu;" ::: "memory");
}

/*
 * Begins a launch; whether the CTA has nothing else to do than to wait. The first launch of a run waits for what is in
 * front of all of them. Those after it begin when that is over, and have one CTA more, which waits for the launch in
 * front: so none ends before it.
 */
bool begins_to_wait(u32 order) {
  const bool follows = order & FI_ORDER_FOLLOWS;
  if (follows)
    read_anew();
  else
    wait_for_stream();
  if (order & FI_ORDER_LEADS)
    let_next_begin();
  if (!follows || blockIdx.x + 1 < gridDim.x)
    return false;
  wait_for_stream();
  return true;
}
//@else
/* Launches of this target follow each other. */
bool begins_to_wait(u32 order) {
  return false;
}
//@end
