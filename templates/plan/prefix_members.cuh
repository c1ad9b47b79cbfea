//@use plan/batch

//# Where rows are left open, two kernels share the batch: what more requests have in common than a tile of the first
//# holds is for the last, whose tiles have more rows, everything else for the first, but for what is too long for it.
//# Both plans are of one tree, whose blocks fit a tile of the last kernel; units and partial results lie where both
//# have them, so that a unit waits for pieces of both, and whoever writes the last of them merges it. Side by side one
//# begins, ends and merges while the other is at work; in long batches they would be in each other's way
//# (tests/perf/LOG.md).

//@if members > 1
/* The kernel of most rows. */
int last_member(const fi_plan_args &args) {
  return args.member_count - 1;
}

/* A kernel of a batch that shares prefixes, which has two at most. */
fi_member member_of(const fi_plan_args &args, int member) {
  return member > 0 ? args.members[1] : args.members[0];
}

/* The batch as it is seen by all of its plans: in tiles of the last kernel. */
fi_plan_args as_tree(const fi_plan_args &args) {
  fi_plan_args tree = args;
  tree.tile_tokens = member_of(args, last_member(args)).tile_tokens;
  return tree;
}
//@else
/* There is one kernel. */
int last_member(const fi_plan_args &args) {
  return 0;
}

fi_member member_of(const fi_plan_args &args, int member) {
  return {args.tile_tokens, args.tile_rows, args.step_tokens, args.start_tokens, args.unit_steps, args.ctas, 0, 0, 0};
}

const fi_plan_args &as_tree(const fi_plan_args &args) {
  return args;
}
//@end

//@if overlaps
constexpr float kBegun = 0.15f; /* of what a launch of the last costs: both are side by side */
constexpr float kMostDivided = 4; /* such launches that a batch takes whose CTAs are divided */
//@else
constexpr float kBegun = 1; /* they follow each other */
constexpr float kMostDivided = 0;
//@end

/* The kernel of rows of so many query tokens, which follow each other in the tree. */
int member_of_rows(const fi_plan_args &args, int tokens) {
  return tokens <= member_of(args, 0).tile_tokens ? 0 : last_member(args);
}
