//# Whether a launch has found its own plan.

constexpr u32 kFaultPlan = 6;

/* Says in a plan's memory that a launch found another plan there, or none, and what it found. */
void tell_foreign_plan(fi_plan_header &header, u32 found) {
  if (blockIdx.x > 0 || threadIdx.x > 0)
    return;
  header.fault = kFaultPlan;
  header.fault_request = 0;
  header.fault_value = found;
}

/*
 * Whether a CTA whose first item this is has nothing to do, or nothing that it may do: the plan must be the one with
 * this id. Both are asked for at once.
 */
bool is_idle(const fi_plan_arrays &plan, const fi_item &first, u32 id) {
  const u32 found = plan.header->id;
  if ((found == id) & (first.row_count > 0))
    return false;
  if (found != id)
    tell_foreign_plan(*plan.header, found);
  return true;
}
