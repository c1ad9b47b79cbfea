/* A place in this CTA's share of the plan: items[at .. end) of a section, then its shares of the sections behind it. */
struct ItemCursor {
  int at;
  int end;     /* 0: there is no more */
  int section; /* the next one */
};

/* Goes to the CTA's next item: in the same section, or else the first one that it has in a later section. */
void next_item(ItemCursor &cursor, const fi_attention_args &args, int sections) {
  cursor.at++;
  if (cursor.at != cursor.end)
    return;
  cursor.end = 0;
  for (; cursor.section < sections && cursor.end == 0; cursor.section++) {
    const fi_share &share = args.plan.shares[cursor.section * args.ctas + (int)blockIdx.x];
    cursor.at = share.begin;
    cursor.end = share.end;
  }
}
