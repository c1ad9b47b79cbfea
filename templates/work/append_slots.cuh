//@use work/kv_address

//# New tokens go to slots.

//@if slots == int64
typedef long long Slot;
//@else
typedef int Slot;
//@end

int new_tokens(const fi_append_args &args) {
  return args.tokens;
}

//@if page_size > 0
/* What kv_row finds a slot by: its page. */
int place_of(Slot slot) {
  return (int)(slot / kPageSize);
}

/* And the token in it. */
int at_of(Slot slot) {
  return (int)(slot % kPageSize);
}
//@else
/* The cache is one list of rows. */
int place_of(Slot slot) {
  return 0;
}

int at_of(Slot slot) {
  return (int)slot;
}
//@end

/* Where token `number` goes: at < 0 is nowhere. */
NewToken new_token(const fi_append_args &args, int number) {
  const Slot slot = ((const Slot *)args.slots)[number];
  return {number, slot < 0 ? 0 : place_of(slot), slot < 0 ? -1 : at_of(slot)};
}
