/* Lists of blocks: any order, blocks twice, holes, what the mask hides, none at all. */
#include "tests/matrix/batch_lists.h"

#include "generator/derived.h"
#include "tests/matrix/batch_second.h"

enum {
  HOLE = -1,
  NO_BLOCK = -77, /* what no list has: entries after a length */
  MOST_BLOCKS = 4096
};

static uint32_t blocks_of(const struct batch_case *batch, uint32_t request) {
  return (batch_second_listed_lengths(batch)[request] + batch->spec.select - 1) / batch->spec.select;
}

/* The blocks of the longest KV, and some: lists may be longer, as blocks may be listed twice. */
static uint32_t draw_most(const struct batch_case *batch, struct trial *trial) {
  uint32_t most = 1;
  for (uint32_t r = 0; r < batch->requests; r++)
    most = blocks_of(batch, r) > most ? blocks_of(batch, r) : most;
  return most + trial_between(trial, 0, 3);
}

/* Lists of one head or of each, token after token or head after head, packed or with gaps. */
static size_t draw_strides(struct batch_case *batch, struct trial *trial) {
  const int64_t row = batch->workspace.max_selected + trial_between(trial, 0, 2);
  const uint32_t kind = trial_between(trial, 0, 3);
  const uint32_t tokens = batch->workspace.max_tokens;
  batch->list_token_stride = kind == 0 ? 0 : row;
  batch->list_head_stride = 0;
  if (kind == 2) {
    batch->list_token_stride = trial_chance(trial, 2) ? 0 : row * batch->kv_heads;
    batch->list_head_stride = row;
  }
  if (kind == 3)
    batch->list_head_stride = row * tokens;
  return (size_t)row * tokens * batch->kv_heads;
}

/* What the reference needs to find lists: there is no cache yet. */
static struct reference lists_reference(const struct batch_case *batch) {
  struct reference reference = {
      .spec = batch->spec, .kv_heads = batch->kv_heads, .max_selected = batch->workspace.max_selected};
  batch_lists_lengths(batch, true, &reference.batch);
  batch_lists_describe(batch, true, &reference.tensors);
  return reference;
}

static int32_t *list_of(const struct batch_case *batch, uint32_t token, uint32_t head) {
  const struct reference reference = lists_reference(batch);
  return batch_case_ints(batch, BUFFER_SELECTED) + reference_list_offset(&reference, token, head);
}

/* As many entries as the KV has blocks, in random order: all of them, or with holes and blocks that are there twice. */
static uint32_t draw_all(struct trial *trial, uint32_t blocks, uint32_t most, int32_t *list) {
  const bool is_whole = trial_chance(trial, 2);
  int32_t order[MOST_BLOCKS];
  random_permutation(&trial->random, order, blocks);
  for (uint32_t i = 0; i < blocks; i++)
    list[i] = is_whole || !trial_chance(trial, 4) ? order[i] : trial_chance(trial, 2) ? HOLE : order[0];
  return blocks < most ? blocks : most;
}

/* Few entries, at times none, or holes alone. */
static uint32_t draw_few(struct trial *trial, uint32_t blocks, uint32_t most, int32_t *list) {
  const uint32_t length = trial_chance(trial, 3) ? 0 : trial_between(trial, 1, most < 40 ? most : 40);
  const uint32_t holes = trial_between(trial, 1, 4); /* one entry in so many */
  for (uint32_t i = 0; i < length; i++)
    list[i] = blocks == 0 || trial_chance(trial, holes) ? HOLE : (int32_t)random_below(&trial->random, blocks);
  return length;
}

/* The lists of a token, whose length is that of its first one: others have holes at their end, or blocks that do not
 * count. */
static void draw_token(struct batch_case *batch, struct trial *trial, uint32_t token, uint32_t blocks) {
  const uint32_t most = batch->workspace.max_selected;
  const bool has_all = batch->kind == BATCH_SPLIT || trial_chance(trial, 2);
  uint32_t kept = 0;
  const uint32_t heads = batch->list_head_stride ? batch->kv_heads : 1;
  for (uint32_t head = 0; head < heads; head++) {
    int32_t *list = list_of(batch, token, head);
    const uint32_t length = has_all ? draw_all(trial, blocks, most, list) : draw_few(trial, blocks, most, list);
    kept = head == 0 ? length : kept;
    for (uint32_t i = length; i < most; i++)
      list[i] = i < kept || !batch->has_list_lengths ? HOLE : NO_BLOCK;
  }
  batch_case_ints(batch, BUFFER_SELECTED_LEN)[token] = (int32_t)kept;
}

bool batch_lists_create(struct batch_case *batch, struct trial *trial) {
  if (!derived_reads_lists(&batch->spec))
    return true;
  batch->workspace.max_selected = draw_most(batch, trial);
  batch->has_list_lengths = !trial_chance(trial, 3);
  if (batch->workspace.max_selected > MOST_BLOCKS)
    return trial_fail(trial, "lists of %u blocks are too long for this test", batch->workspace.max_selected);
  if (!batch_case_buffer(batch, trial, BUFFER_SELECTED, draw_strides(batch, trial), sizeof(int32_t)) ||
      !batch_case_buffer(batch, trial, BUFFER_SELECTED_LEN, batch->workspace.max_tokens, sizeof(int32_t)))
    return false;
  uint32_t next = batch->first_token;
  for (uint32_t token = 0; token < next; token++) /* of nobody */
    batch_case_ints(batch, BUFFER_SELECTED_LEN)[token] = NO_BLOCK;
  for (uint32_t r = 0; r < batch->requests; r++) {
    for (uint32_t i = 0; i < batch->q_len[r]; i++)
      draw_token(batch, trial, next++, blocks_of(batch, r));
  }
  return true;
}

void batch_lists_lengths(const struct batch_case *batch, bool on_host, fi_batch *lengths) {
  if (derived_reads_lists(&batch->spec) && batch->has_list_lengths)
    lengths->selected_len = batch_case_pointer(batch, BUFFER_SELECTED_LEN, on_host);
}

void batch_lists_describe(const struct batch_case *batch, bool on_host, fi_tensors *tensors) {
  if (!derived_reads_lists(&batch->spec))
    return;
  tensors->selected = batch_case_pointer(batch, BUFFER_SELECTED, on_host);
  tensors->selected_token_stride = batch->list_token_stride;
  tensors->selected_head_stride = batch->list_head_stride;
}

bool batch_lists_have(const struct batch_case *batch, uint32_t request, uint32_t kv_token) {
  const struct batch_case *listed = batch->owner ? batch->owner : batch;
  const struct reference reference = lists_reference(listed);
  const uint32_t begin = (uint32_t)batch_case_ints(listed, BUFFER_Q_INDPTR)[request];
  bool has = !derived_reads_lists(&listed->spec) || batch->second;
  for (uint32_t i = 0; i < listed->q_len[request] && !has; i++) {
    for (uint32_t head = 0; head < listed->kv_heads && !has; head++)
      has = reference_listed(&reference, begin + i, head, kv_token) > 0;
  }
  return has;
}
