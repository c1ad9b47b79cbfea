//@use ring/gather_rows
//@use work/item_ring
//@use work/kv_address
//@use work/mask
//@use ptx/warpgroup
//@if select > 0
//@use work/selected
//@use ring/seen
//@else
//@use ring/seen_all
//@end

//# Each stage of K, which has V in it, is filled row by row, wherever rows are: pages are small, or lists say which
//# tokens there are. A warp of the producer has a half of V, and in every other stage the rest of K too: that of the
//# consumer with the half which is done with it. Where the rows of a step are is looked up a step ahead.

constexpr u32 kSlices = kTeamTokens / 32; /* a lane looks up one row of each */

/* The lane's rows of a step, of each slice one. */
struct StepRows {
  int tokens[kSlices]; /* -1: there is none, and the row becomes 0 */
  int places[kSlices]; /* on their way: what is done with them waits */
};

//@if select > 0
/* What tokens of an item are asked for by: its list, and the entries of the lane's rows of a step. */
struct Finder {
  const int *list;
  int entries[kSlices];
};

/* Asks for the entries of the step whose first token is `token`. */
void ask(Finder &finder, const fi_item &item, int token) {
#pragma unroll
  for (u32 s = 0; s < kSlices; s++) {
    const int place = token + (int)(32 * s + lane());
    finder.entries[s] = place < item.kv_end ? entry_at(finder.list, item, place) : -1;
  }
}

Finder open_finder(const fi_attention_args &args, const fi_item &item) {
  Finder finder = {list_of(args, item.row_begin, item.kv_head), {}};
  ask(finder, item, first_of_steps(item.kv_begin));
  return finder;
}

/* Which token the lane's row of a slice is; -1: none. */
int token_of(const Finder &finder, const fi_attention_args &args, const fi_item &item, u32 slice, int place) {
  const int entry = finder.entries[slice];
  const int blocks = blocks_of(item.kv_len);
  tell_bad_entry(*args.plan.header, args.plan.rows[item.row_begin].token, entry, blocks);
  return listed_token(entry, place, item.inner_begin, item.inner_end, blocks);
}
//@else
/* Tokens of an item are asked for by their number. */
struct Finder {};

void ask(Finder &finder, const fi_item &item, int token) {}

Finder open_finder(const fi_attention_args &args, const fi_item &item) {
  return {};
}

/* Which token the lane's row of a slice is; -1: none. */
int token_of(const Finder &finder, const fi_attention_args &args, const fi_item &item, u32 slice, int place) {
  return place >= item.kv_begin && place < item.kv_end ? place : -1;
}
//@end

/* Finds the rows of the step whose first token is `token`, and asks for what finds those of the next. */
StepRows find_rows(Finder &finder, const fi_attention_args &args, const fi_item &item, int token) {
  StepRows step;
#pragma unroll
  for (u32 s = 0; s < kSlices; s++) {
    const int at = token_of(finder, args, item, s, token + (int)(32 * s + lane()));
    step.tokens[s] = at;
    step.places[s] = at >= 0 ? kv_place(*args.plan.header, item.kv_base, at) : 0;
  }
  ask(finder, item, token + (int)kTeamTokens);
  return step;
}

/* Where the lane's rows of a step are, and bits of the rows that there are. */
struct FoundRows {
  const u8 *rows[kSlices];
  u32 there[kSlices];
};

FoundRows found_rows(const fi_kv_args &kv, const StepRows &step, KvHead head) {
  FoundRows found;
#pragma unroll
  for (u32 s = 0; s < kSlices; s++) {
    found.rows[s] = kv_row(kv, step.places[s], max(step.tokens[s], 0), head);
    found.there[s] = __ballot_sync(kAllLanes, step.tokens[s] >= 0);
  }
  return found;
}

/* Starts the warp's copies of kCount panels of all rows. */
template <u32 kCount> void gather_panels(const FoundRows &found, u32 to, u32 first) {
  const u32 chunk = first * 8 + lane() % 8;
#pragma unroll
  for (u32 s = 0; s < kSlices; s++) {
#pragma unroll 2
    for (u32 i = 0; i < 32; i += 4) {
      const u32 row = i + lane() / 8;
      const u32 at = to + panel_chunk<kTeamTokens>(32 * s + row, chunk);
      gather_rows<kCount, kQkDim / 8>(found.rows[s], row, found.there[s] >> row & 1, chunk, at);
    }
  }
}

/* A barrier is told when the copies that the lanes have begun end, and that all have begun theirs. */
void tell_of_copies(u64 *full) {
  barrier_arrive_copied(full);
  release(full);
}

/* Brings the warp's parts of a step: its half of V, and the rest of K. */
void bring_parts(const FoundRows &found, const Place<kStages> &place, u8 *shared) {
  constexpr u32 kShare = kPanels<kVDim / 2>;
  Barriers &barriers = barriers_of(shared);
  const u32 stage = place.number();
  const u32 half = warp() - kLoaderWarp;
  const u32 to = shared_address(keys_of_stage(shared, stage));
  barrier_wait(&barriers.keys_empty[stage][half], place.parity_before());
  gather_panels<kShare>(found, to, half * kShare);
  tell_of_copies(&barriers.keys_full[stage][half]);
  if (half == stage % kConsumers)
    return;
  barrier_wait(&barriers.keys_empty[stage][kRest], place.parity_before());
  gather_panels<kPanels<kQkDim - kVDim>>(found, to, 2 * kShare);
  note_seen(found.there, stage, shared);
  tell_of_copies(&barriers.keys_full[stage][kRest]);
}

/* Brings K of all items of the CTA, from `first` on. */
void bring_kv(const fi_attention_maps_args &maps, const fi_item *first, u8 *shared) {
  const fi_attention_args &args = maps.attention;
  Place<kStages> place = {0};
  Follower at = {{0}, first};
  do {
    const fi_item &item = *at.item;
    int token = first_of_steps(item.kv_begin);
    Finder finder = open_finder(args, item);
    StepRows step = find_rows(finder, args, item, token);
#pragma unroll 1
    for (; token < item.kv_end; token += (int)kTeamTokens) {
      const StepRows following = find_rows(finder, args, item, token + (int)kTeamTokens);
      bring_parts(found_rows(args.k, step, item.kv_head), place, shared);
      place = place.next();
      step = following;
    }
  } while (goes_on(at, shared));
}
