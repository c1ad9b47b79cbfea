/* Reads batches, and writes them as short as the grammar allows. */
#include "tools/bench/bench_batch.h"

#include "cache/hash.h"
#include "tools/flashjit/problem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_TOKENS = 1 << 24, THOUSAND = 1024 };

static bool set_text(struct bench_batch *batch, const char *text) {
  if (strlen(text) >= sizeof batch->text)
    return problem_set("the batch is longer than %zu characters", sizeof batch->text - 1);
  snprintf(batch->text, sizeof batch->text, "%s", text);
  return true;
}

static bool add(struct bench_batch *batch, uint32_t count, struct bench_request request) {
  struct bench_request *requests = realloc(batch->requests, (batch->count + (size_t)count) * sizeof *requests);
  if (!requests)
    return problem_set("out of memory");
  batch->requests = requests;
  for (uint32_t i = 0; i < count; i++)
    batch->requests[batch->count++] = request;
  return true;
}

/* ------------------------------------------------------------------------------------------------ reading */

/* Digits at *text, which is moved after them; 0 when there are none, or too many. */
static uint32_t digits(const char **text) {
  uint64_t number = 0;
  for (; **text >= '0' && **text <= '9'; ++*text)
    number = number > MOST_TOKENS ? number : number * 10 + (uint64_t)(**text - '0');
  return number > MOST_TOKENS ? 0 : (uint32_t)number;
}

/* After a letter: digits, and perhaps a k. 0 when it is no such number. */
static uint32_t tokens_after(char letter, const char **text) {
  if (**text != letter)
    return 0;
  ++*text;
  uint64_t tokens = digits(text);
  if (**text == 'k') {
    tokens *= THOUSAND;
    ++*text;
  }
  return tokens > MOST_TOKENS ? 0 : (uint32_t)tokens;
}

static uint32_t larger(uint32_t a, uint32_t b) {
  return a > b ? a : b;
}

static bool make_room(struct bench_batch *batch, const struct bench_request *request) {
  batch->room.q_len = larger(batch->room.q_len, request->q_len);
  batch->room.kv_len = larger(batch->room.kv_len, request->kv_len);
  return true;
}

static bool read_part(struct bench_batch *batch, const char **text) {
  const char *begin = *text;
  const bool has_count = *begin >= '0' && *begin <= '9';
  const uint32_t count = has_count ? digits(text) : 1;
  const uint32_t q_len = tokens_after('q', text);
  const bool has_kv = **text == 's';
  const uint32_t kv_len = has_kv ? tokens_after('s', text) : q_len;
  const bool has_shared = has_kv && **text == 'p';
  const uint32_t shared = has_shared ? tokens_after('p', text) : 0;
  const int length = (int)strcspn(begin, "_");
  const bool is_room = begin[0] == '0' && begin[1] == 'q';
  if ((count == 0 && !is_room) || q_len == 0 || kv_len == 0 || (has_shared && shared == 0) || begin + length != *text)
    return problem_set("\"%.*s\" is not [COUNT]qTOKENS[sTOKENS[pTOKENS]], as in 32q1s4k: tokens are 1 to %d", length,
                       begin, MOST_TOKENS);
  if (shared > kv_len)
    return problem_set("\"%.*s\" has %u tokens of KV, fewer than the %u that are shared", length, begin, kv_len,
                       shared);
  if (kv_len < q_len)
    return problem_set("\"%.*s\" has %u tokens of KV, fewer than its %u query tokens", length, begin, kv_len, q_len);
  if (batch->count + (uint64_t)count > BENCH_MOST_REQUESTS)
    return problem_set("\"%s\" has more than %d requests", batch->text, BENCH_MOST_REQUESTS);
  const struct bench_request request = {q_len, kv_len, shared, batch->count};
  return is_room ? make_room(batch, &request) : add(batch, count, request);
}

bool bench_batch_parse(struct bench_batch *batch, const char *text) {
  *batch = (struct bench_batch){0};
  bool read = set_text(batch, text);
  const char *at = text;
  while (read) {
    read = read_part(batch, &at);
    if (!read || *at == '\0')
      break;
    at++;
  }
  if (read && batch->count == 0)
    read = problem_set("\"%s\" has no requests", text);
  if (!read)
    bench_batch_free(batch);
  return read;
}

/* Of all lengths. */
static bool hash_lengths(const struct bench_batch *batch, uint32_t *hash) {
  uint32_t(*lengths)[2] = calloc(batch->count + 1, sizeof *lengths);
  if (!lengths)
    return problem_set("out of memory");
  for (uint32_t r = 0; r < batch->count; r++) {
    lengths[r][0] = batch->requests[r].q_len;
    lengths[r][1] = batch->requests[r].kv_len;
  }
  *hash = (uint32_t)XXH3_64bits(lengths, batch->count * sizeof *lengths);
  free(lengths);
  return true;
}

static bool add_requests(struct bench_batch *batch, const struct trace *trace) {
  bool added = true;
  for (size_t i = 0; i < trace->count && added; i++) {
    const struct request *request = &trace->requests[i];
    const uint32_t kv_len = request->prompt + request->generated / 2;
    added = add(batch, 1, (struct bench_request){.q_len = 1, .kv_len = kv_len});
  }
  return added;
}

bool bench_batch_of_trace(struct bench_batch *batch, const struct trace *trace, const char *path) {
  const char *slash = strrchr(path, '/');
  uint32_t hash = 0;
  *batch = (struct bench_batch){.trace = path};
  if (!add_requests(batch, trace) || !hash_lengths(batch, &hash)) {
    bench_batch_free(batch);
    return false;
  }
  /* Files of one name may differ, and a file may move. */
  snprintf(batch->text, sizeof batch->text, "%zu of %.80s (%08x)", trace->count, slash ? slash + 1 : path, hash);
  return true;
}

/* ------------------------------------------------------------------------------------------------ writing */

static void write_tokens(char *text, size_t size, char letter, uint32_t tokens) {
  const size_t used = strlen(text);
  const bool is_round = tokens % THOUSAND == 0;
  snprintf(text + used, size - used, "%c%u%s", letter, is_round ? tokens / THOUSAND : tokens, is_round ? "k" : "");
}

static void write_part(char *text, size_t size, uint32_t count, struct bench_request request) {
  const size_t used = strlen(text);
  snprintf(text + used, size - used, "%s%u", used > 0 ? "_" : "", count);
  write_tokens(text, size, 'q', request.q_len);
  if (request.kv_len != request.q_len || request.shared > 0)
    write_tokens(text, size, 's', request.kv_len);
  if (request.shared > 0)
    write_tokens(text, size, 'p', request.shared);
}

static bool is_equal(struct bench_request a, struct bench_request b) {
  return a.q_len == b.q_len && a.kv_len == b.kv_len && a.shared == b.shared && (a.shared == 0 || a.owner == b.owner);
}

static void write_text(struct bench_batch *batch) {
  batch->trace = NULL;
  batch->text[0] = '\0';
  for (uint32_t begin = 0; begin < batch->count;) {
    uint32_t end = begin;
    while (end < batch->count && is_equal(batch->requests[end], batch->requests[begin]))
      end++;
    write_part(batch->text, sizeof batch->text, end - begin, batch->requests[begin]);
    begin = end;
  }
  if (batch->room.q_len > 0)
    write_part(batch->text, sizeof batch->text, 0, batch->room);
}

void bench_batch_cut(struct bench_batch *batch, uint32_t requests, uint32_t q_len, uint32_t kv_len) {
  if (batch->count > requests)
    batch->count = requests;
  for (uint32_t r = 0; r < batch->count; r++) {
    struct bench_request *request = &batch->requests[r];
    request->q_len = request->q_len < q_len ? request->q_len : q_len;
    request->kv_len = request->kv_len < kv_len ? request->kv_len : kv_len;
    request->shared = request->shared < request->kv_len ? request->shared : request->kv_len;
  }
  write_text(batch);
}

bool bench_batch_copy(struct bench_batch *batch, const struct bench_batch *from) {
  *batch = (struct bench_batch){.trace = from->trace, .room = from->room};
  bool copied = true;
  for (uint32_t r = 0; r < from->count && copied; r++)
    copied = add(batch, 1, from->requests[r]);
  if (copied)
    memcpy(batch->text, from->text, sizeof batch->text);
  else
    bench_batch_free(batch);
  return copied;
}

bool bench_batch_of_entries(struct bench_batch *batch, const struct bench_batch *from, uint32_t ratio) {
  *batch = (struct bench_batch){.room.kv_len = 1}; /* where there are no entries at all */
  bool added = true;
  for (uint32_t r = 0; r < from->count && added; r++) {
    const uint32_t owner = batch->count;
    for (uint32_t i = 0; i < from->requests[r].q_len && added; i++) {
      const uint32_t entries = (from->requests[r].kv_len - i) / ratio;
      added = add(batch, 1, (struct bench_request){.q_len = 1, .kv_len = entries, .shared = entries, .owner = owner});
    }
  }
  if (!added)
    bench_batch_free(batch);
  return added;
}

void bench_batch_free(struct bench_batch *batch) {
  free(batch->requests);
  *batch = (struct bench_batch){0};
}

/* ------------------------------------------------------------------------------------------------ sums */

uint32_t bench_batch_most_q(const struct bench_batch *batch) {
  uint32_t most = 0;
  for (uint32_t r = 0; r < batch->count; r++)
    most = batch->requests[r].q_len > most ? batch->requests[r].q_len : most;
  return most;
}

uint32_t bench_batch_most_kv(const struct bench_batch *batch) {
  uint32_t most = 0;
  for (uint32_t r = 0; r < batch->count; r++)
    most = batch->requests[r].kv_len > most ? batch->requests[r].kv_len : most;
  return most;
}

uint32_t bench_batch_borrowed(const struct bench_batch *batch, uint32_t request, uint32_t page_size) {
  const struct bench_request *of = &batch->requests[request];
  return page_size == 0 || of->shared == 0 || of->owner == request ? 0 : of->shared / page_size * page_size;
}

uint64_t bench_batch_tokens(const struct bench_batch *batch) {
  uint64_t tokens = 0;
  for (uint32_t r = 0; r < batch->count; r++)
    tokens += batch->requests[r].q_len;
  return tokens;
}

fi_workspace bench_batch_bounds(const struct bench_batch *batch, uint32_t kv_heads) {
  return (fi_workspace){
      .struct_size = sizeof(fi_workspace),
      .max_requests = batch->count + (batch->room.q_len > 0),
      .max_tokens = (uint32_t)bench_batch_tokens(batch) + batch->room.q_len,
      .max_kv_len = larger(bench_batch_most_kv(batch), batch->room.kv_len),
      .kv_heads = kv_heads,
      .max_q_len = larger(bench_batch_most_q(batch), batch->room.q_len),
  };
}
