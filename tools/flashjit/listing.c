/* Lists are samples of one block from each of as many equal parts of the KV, shuffled. */
#include "tools/flashjit/listing.h"

static void shuffle(random_state *random, int32_t *list, uint32_t count) {
  for (uint32_t i = count; i > 1; i--) {
    const uint32_t other = random_below(random, i);
    const int32_t last = list[i - 1];
    list[i - 1] = list[other];
    list[other] = last;
  }
}

uint32_t listing_blocks(const struct listing *listing, uint32_t place) {
  return listing->ratio > 0 ? (place + 1) / listing->ratio : place / listing->block + 1;
}

uint32_t listing_length(const struct listing *listing, uint32_t place) {
  const uint32_t blocks = listing_blocks(listing, place);
  return listing->entries < blocks ? listing->entries : blocks;
}

void listing_draw(const struct listing *listing, uint32_t request, uint32_t place, uint32_t head, int32_t *list) {
  const uint32_t blocks = listing_blocks(listing, place);
  const uint32_t count = listing_length(listing, place);
  const uint64_t whose = (uint64_t)request << 40 ^ (uint64_t)(listing->first_head + head) << 32 ^ place;
  random_state random = listing->seed ^ whose;
  for (uint32_t i = 0; i < count; i++) {
    const uint32_t first = (uint32_t)((uint64_t)i * blocks / count);
    const uint32_t end = (uint32_t)((uint64_t)(i + 1) * blocks / count);
    list[i] = (int32_t)(first + random_below(&random, end - first));
  }
  if (count > 0)
    list[count - 1] = (int32_t)blocks - 1;
  shuffle(&random, list, count);
  for (uint32_t i = count; i < listing->entries; i++)
    list[i] = -1;
}

void listing_weights(random_state *random, float *weights, size_t count) {
  enum { STEPS = 1000 };
  for (size_t i = 0; i < count; i++)
    weights[i] = ((float)random_below(random, STEPS) - STEPS / 4) / STEPS;
}
