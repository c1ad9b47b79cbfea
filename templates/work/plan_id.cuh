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
 * this id. Both are asked for at once. Launches of a run that are on the machine together leave it to the first of them
 * to tell.
 */
bool is_idle(const fi_attention_args &args, const fi_item &first) {
  const u32 found = args.plan.header->id;
  if ((found == args.plan_id) & (first.row_count > 0))
    return false;
  if (found != args.plan_id && !(args.order & FI_ORDER_FOLLOWS))
    tell_foreign_plan(*args.plan.header, found);
  return true;
}
