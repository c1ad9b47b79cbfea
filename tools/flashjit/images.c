/* Images of equal size at equal distances. */
#include "tools/flashjit/images.h"

#include <math.h>
#include <stdbool.h>

enum { MOST_TOKENS = 256, REQUEST_PER_IMAGE = 16, TEXT_PER_IMAGE = 3 };

struct images images_for(uint32_t max_kv_len) {
  const uint32_t wanted = max_kv_len / REQUEST_PER_IMAGE + 1;
  const uint32_t tokens = wanted < MOST_TOKENS ? wanted : MOST_TOKENS;
  const uint32_t side = (uint32_t)sqrt(tokens / 2.0);
  const uint32_t short_side = side > 0 ? side : 1;
  return (struct images){short_side, tokens / short_side};
}

uint32_t images_tokens(const struct images *images) {
  return images->short_side * images->long_side;
}

/* From an image to the next one. */
static uint32_t distance(const struct images *images) {
  return images_tokens(images) * (1 + TEXT_PER_IMAGE);
}

uint32_t images_begin(const struct images *images, uint32_t i) {
  return images_tokens(images) / 2 + i * distance(images);
}

uint32_t images_count(const struct images *images, uint32_t tokens) {
  return tokens / distance(images) + 1;
}

void images_position(const struct images *images, uint32_t token, int32_t position[3]) {
  const uint32_t first = images_begin(images, 0);
  const uint32_t before = token < first ? 0 : (token - first) / distance(images); /* images, with the text after them */
  const uint32_t begin = images_begin(images, before);
  const uint32_t saved = images_tokens(images) - images->long_side; /* positions that an image does not take */
  const uint32_t columns = before % 2 == 0 ? images->long_side : images->short_side;
  const bool is_text = token < begin || token >= begin + images_tokens(images);
  const uint32_t over = before + (token >= begin + images_tokens(images)); /* images */
  const uint32_t base = (is_text ? token : begin) - over * saved;
  position[0] = (int32_t)base;
  position[1] = (int32_t)(base + (is_text ? 0 : (token - begin) / columns));
  position[2] = (int32_t)(base + (is_text ? 0 : (token - begin) % columns));
}
