/* A place in this CTA's share of the plan: items[at .. end) of a section, then its shares of the sections behind it. */
struct ItemCursor {
  int at;
  int end;     /* 0: there is no more */
  int section; /* the next one */
};

/* Goes to the CTA's first item in the first of the sections from cursor.section on where it has one. */
__device__ __forceinline__ void enter_section(ItemCursor &cursor, const fi_plan_arrays &plan, int ctas, int sections) {
  cursor.end = 0;
  for (; cursor.section < sections && cursor.end == 0; cursor.section++) {
    const fi_share &share = plan.shares[cursor.section * ctas + (int)blockIdx.x];
    cursor.at = share.begin;
    cursor.end = share.end;
  }
}

__device__ __forceinline__ void next_item(ItemCursor &cursor, const fi_plan_arrays &plan, int ctas, int sections) {
  cursor.at++;
  if (cursor.at == cursor.end)
    enter_section(cursor, plan, ctas, sections);
}
