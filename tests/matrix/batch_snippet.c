/* A cap, and documents of random lengths. */
#include "tests/matrix/batch_snippet.h"

#include "tests/snippet.h"

#include <string.h>

static uint32_t stride_of(const struct batch_case *batch) {
  return SNIPPET_HEADER + batch->workspace.max_kv_len;
}

/* Some tokens of one of three documents, then some of another. */
static void fill_documents(struct trial *trial, int32_t *documents, uint32_t tokens) {
  const uint32_t longest = trial_between(trial, 1, 200);
  uint32_t token = 0;
  while (token < tokens) {
    const uint32_t length = trial_between(trial, 1, longest);
    const int32_t document = (int32_t)trial_between(trial, 0, 2);
    for (uint32_t i = 0; i < length && token < tokens; i++)
      documents[token++] = document;
  }
}

bool batch_snippet_draw(struct batch_case *batch, struct trial *trial) {
  const uint32_t stride = stride_of(batch);
  const float cap = (float)trial_between(trial, 2, 40);
  struct mirror *params = &batch->buffers[BUFFER_SNIPPET];
  if (!mirror_create(params, &trial->device, batch->requests * (size_t)stride * sizeof(int32_t)))
    return trial_ok(trial, "the parameters of the snippet", FI_OK);
  for (uint32_t r = 0; r < batch->requests; r++) {
    int32_t *words = (int32_t *)params->host + (size_t)r * stride;
    memcpy(&words[SNIPPET_CAP], &cap, sizeof cap);
    words[SNIPPET_STRIDE] = (int32_t)stride;
    fill_documents(trial, words + SNIPPET_HEADER, batch->workspace.max_kv_len);
  }
  return true;
}

const void *batch_snippet_alone(const struct batch_case *batch, const void *params, uint32_t request) {
  return params ? (const int32_t *)params + (size_t)request * stride_of(batch) : NULL;
}
