/*
 * Images in the prompts of requests that are made up: where they lie, and which positions their tokens have. All
 * prompts have one after the other, with some text between them.
 */
#ifndef TOOLS_FLASHJIT_IMAGES_H
#define TOOLS_FLASHJIT_IMAGES_H

#include <stdint.h>

struct images {
  uint32_t short_side; /* of the grid of an image's tokens; sides differ, and every second image is turned */
  uint32_t long_side;
};

/* Small ones where the longest request is short. */
struct images images_for(uint32_t max_kv_len);

uint32_t images_tokens(const struct images *images);

/* The first token of image number `i`. */
uint32_t images_begin(const struct images *images, uint32_t i);

/* How many begin among so many tokens, at most. */
uint32_t images_count(const struct images *images, uint32_t tokens);

/*
 * Time, height and width of a token. Text counts on, in all three; an image has the time of the text before it, and
 * its rows and columns count from there; the text after it counts on from the largest of these (get_rope_index of
 * Qwen2-VL, Qwen3-VL, GLM-4V and Ernie 4.5 VL in Hugging Face transformers).
 */
void images_position(const struct images *images, uint32_t token, int32_t position[3]);

#endif
