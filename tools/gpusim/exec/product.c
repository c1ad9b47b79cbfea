/* Products in flight. A warp's parts end when it waits for their groups; they are computed for the whole warpgroup when
 * its first warp waits, at the latest moment, so that what is overwritten too early shows in the results as well. */
#include "exec/product.h"

#include "check/busy.h"
#include "check/proxy.h"
#include "check/reads.h"
#include "exec/scheduler.h"
#include "machine/fault.h"

#include <string.h>

enum { CHUNK = 16, MOST_CHUNKS = (SIM_DESCRIPTOR_MASK + 1) / CHUNK };

/* Of the lines of A only those of the warp; of B each fourth chunk, since the four warps see the same. */
struct share {
  uint32_t first_line;
  uint32_t lines;
  uint32_t first_chunk;
  uint32_t step;
};

static struct share share_of_a(const struct sim_matrix *a, uint32_t warp) {
  if (a->transposed)
    return (struct share){0, a->lines, 2 * warp, 1};
  return (struct share){warp * SIM_WARP_ROWS, SIM_WARP_ROWS, 0, 1};
}

static void check_chunk(const struct sim_warp *warp, const struct sim_inst *inst, uint32_t address) {
  if (address + CHUNK > warp->block->shared_bytes)
    sim_fault(warp, inst, SIM_NO_LANE, SIM_FAULT_ADDRESS,
              "the descriptor leads to shared address %u: there are %u bytes", address, warp->block->shared_bytes);
}

static struct sim_read *begin_read(const struct sim_warp *warp, const struct sim_inst *inst, uint64_t key,
                                   const uint64_t *bits, uint32_t first, uint32_t last) {
  uint64_t moved[MOST_CHUNKS / 64 + 1] = {0};
  for (uint32_t chunk = first; chunk <= last; chunk++)
    if (bits[chunk / 64] >> (chunk % 64) & 1)
      moved[(chunk - first) / 64] |= UINT64_C(1) << ((chunk - first) % 64);
  const struct sim_read_set set = {first * CHUNK, last - first + 1, moved};
  return sim_read_begin(warp, inst, warp->index / SIM_GROUP_WARPS * SIM_GROUP_WARPS, SIM_GROUP_WARPS, key, &set);
}

/* Reads a share of a matrix. `note` is told the lines and chunks with undefined elements. */
static struct sim_read *read_matrix(const struct sim_warp *warp, const struct sim_inst *inst,
                                    const struct sim_matrix *m, const struct share *share, uint64_t key,
                                    void (*note)(struct sim_product *part, const struct sim_matrix *m, uint32_t line,
                                                 uint32_t chunk),
                                    struct sim_product *part) {
  uint64_t bits[MOST_CHUNKS / 64] = {0};
  uint32_t first = MOST_CHUNKS;
  uint32_t last = 0;
  uint32_t chunks = m->transposed && share->step == 1 ? share->first_chunk + 2 : m->chunks;
  uint32_t number = 0;
  for (uint32_t line = share->first_line; line < share->first_line + share->lines; line++)
    for (uint32_t chunk = share->step == 1 ? share->first_chunk : 0; chunk < chunks; chunk++) {
      if (share->step > 1 && number++ % share->step != share->first_chunk)
        continue;
      uint32_t address = sim_matrix_chunk(m, line, chunk);
      check_chunk(warp, inst, address);
      if (sim_proxy_read(warp, inst, SIM_NO_LANE, address, CHUNK))
        note(part, m, line, chunk);
      uint32_t index = address / CHUNK;
      bits[index / 64] |= UINT64_C(1) << (index % 64);
      first = index < first ? index : first;
      last = index > last ? index : last;
    }
  return first <= last ? begin_read(warp, inst, key, bits, first, last) : NULL;
}

static void note_row(struct sim_product *part, const struct sim_matrix *m, uint32_t line, uint32_t chunk) {
  if (m->transposed)
    part->undefined_rows |= (uint16_t)(0xff << (chunk % 2 * 8));
  else
    part->undefined_rows |= (uint16_t)(1 << line % SIM_WARP_ROWS);
}

static void note_column(struct sim_product *part, const struct sim_matrix *m, uint32_t line, uint32_t chunk) {
  if (m->transposed)
    part->undefined_columns[chunk / 8] |= UINT64_C(0xff) << (chunk % 8 * 8);
  else
    part->undefined_columns[line / 64] |= UINT64_C(1) << (line % 64);
}

/* Reads with one key have one set. */
static uint64_t read_key(uint64_t descriptor, const struct sim_matrix *m, uint32_t part) {
  uint64_t shape = (uint64_t)m->lines << 16 | (uint64_t)m->chunks << 8 | (uint64_t)m->transposed << 4 | part;
  return (descriptor ^ shape << 18) * 0x9e3779b97f4a7c15u | UINT64_C(1) << 63;
}

static void check_operands(struct sim_warp *warp, const struct sim_inst *inst, struct sim_product *part,
                           const struct sim_product_operands *operands) {
  uint32_t member = warp->index % SIM_GROUP_WARPS;
  if (operands->a.lines) {
    const struct share share = share_of_a(&operands->a, member);
    part->read_a =
        read_matrix(warp, inst, &operands->a, &share, read_key(part->a, &operands->a, member), note_row, part);
  }
  const struct share share = {0, operands->b.lines, member, SIM_GROUP_WARPS};
  part->read_b =
      read_matrix(warp, inst, &operands->b, &share, read_key(part->b, &operands->b, member + 4), note_column, part);
}

/* Accumulators that the last product has used are in order without a fence. */
static bool in_order(const struct sim_products *products, const struct sim_inst *inst) {
  if (products->fenced)
    return true;
  const struct sim_inst *last = products->last;
  return last && !inst->order && last->destinations == inst->destinations &&
         memcmp(last->operands, inst->operands, inst->destinations * sizeof *inst->operands) == 0;
}

void sim_product_issue(struct sim_warp *warp, const struct sim_inst *inst, const struct sim_product *part,
                       const struct sim_product_operands *operands) {
  struct sim_products *products = &warp->products;
  struct sim_product added = *part;
  added.inst = inst;
  added.group = products->commits;
  if (warp->index / SIM_GROUP_WARPS * SIM_GROUP_WARPS + SIM_GROUP_WARPS > warp->block->warp_count)
    sim_fault(warp, inst, SIM_NO_LANE, SIM_FAULT_CHECK, "wgmma needs a warpgroup of %d warps", SIM_GROUP_WARPS);
  if (warp->block->launch->checks) {
    if (!in_order(products, inst))
      sim_fault(warp, inst, SIM_NO_LANE, SIM_FAULT_CHECK,
                "no wgmma.fence since the registers of this wgmma were free to use");
    sim_busy_check_product(warp, inst);
    check_operands(warp, inst, &added, operands);
    sim_busy_add(warp, inst);
  }
  products->last = inst;
  SIM_PUSH(products->items, products->count, products->capacity);
  products->items[products->count++] = added;
}

static uint32_t issued(const struct sim_products *products) {
  return products->first + products->count;
}

static struct sim_product *part_of(const struct sim_warp *warp, uint32_t number) {
  return &warp->products.items[number - warp->products.first];
}

static void check_same(const struct sim_warp *warp, const struct sim_product *part, const struct sim_warp *other,
                       const struct sim_product *others) {
  if (part->inst != others->inst || part->a != others->a || part->b != others->b || part->adds != others->adds)
    sim_fault(warp, part->inst, SIM_NO_LANE, SIM_FAULT_CHECK,
              "warps %u and %u of a warpgroup execute different wgmma here, or with different operands (PTX line %u)",
              warp->index, other->index, others->inst->line);
}

/* Computes the product with this number, of all warps. */
static void compute_one(struct sim_warp *warp, struct sim_warp *const warps[SIM_GROUP_WARPS], uint32_t number,
                        sim_compute_fn compute, sim_operands_fn operands_of) {
  const struct sim_product *parts[SIM_GROUP_WARPS];
  struct sim_product_operands operands;
  struct sim_read *reads[2 * SIM_GROUP_WARPS];
  for (uint32_t w = 0; w < SIM_GROUP_WARPS; w++) {
    parts[w] = part_of(warps[w], number);
    reads[2 * w] = parts[w]->read_a;
    reads[2 * w + 1] = parts[w]->read_b;
    check_same(warps[0], parts[0], warps[w], parts[w]);
    warps[w]->products.done = number + 1;
  }
  operands_of(parts[0], &operands);
  compute(warps, parts, &operands);
  for (uint32_t w = 0; w < SIM_GROUP_WARPS; w++)
    memcpy(part_of(warps[w], number)->reads, reads, sizeof reads);
  for (uint32_t r = 0; r < 2 * SIM_GROUP_WARPS; r++)
    if (reads[r])
      sim_read_end(warp, reads[r]);
}

/* The number after the last product of the groups that are waited for. */
static uint32_t target_of(const struct sim_products *products, uint32_t pending) {
  uint32_t ended = 0;
  while (ended < products->count && products->items[ended].group + pending < products->commits)
    ended++;
  return products->first + ended;
}

static void retire(struct sim_warp *warp, uint32_t target) {
  struct sim_products *products = &warp->products;
  uint32_t count = target - products->first;
  if (!count)
    return;
  for (uint32_t i = 0; i < 2 * SIM_GROUP_WARPS * count; i++) {
    struct sim_read *read = products->items[i / (2 * SIM_GROUP_WARPS)].reads[i % (2 * SIM_GROUP_WARPS)];
    if (read)
      sim_read_also_end(warp, read);
  }
  memmove(products->items, products->items + count, (products->count - count) * sizeof *products->items);
  products->count -= count;
  products->first = target;
  products->fenced = false;
  if (warp->block->launch->checks)
    sim_busy_renew(warp);
}

bool sim_product_wait(struct sim_warp *warp, uint32_t lanes, uint32_t pending, sim_compute_fn compute,
                      sim_operands_fn operands_of) {
  struct sim_warp *warps[SIM_GROUP_WARPS];
  uint32_t first_warp = warp->index / SIM_GROUP_WARPS * SIM_GROUP_WARPS;
  uint32_t target = target_of(&warp->products, pending);
  if (target == warp->products.first)
    return true;
  for (uint32_t w = 0; w < SIM_GROUP_WARPS; w++) {
    warps[w] = &warp->block->warps[first_warp + w];
    if (issued(&warps[w]->products) < target) {
      sim_wait_for_event(warp, lanes);
      return false;
    }
  }
  while (warp->products.done < target)
    compute_one(warp, warps, warp->products.done, compute, operands_of);
  retire(warp, target);
  return true;
}
