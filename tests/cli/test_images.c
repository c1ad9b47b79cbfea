/* Positions of images against a walk over the tokens, as models' code counts them. */
#include "tools/flashjit/images.h"

#include <criterion/criterion.h>

static void check_length(uint32_t length) {
  const struct images images = images_for(length);
  const uint32_t most = images_count(&images, length);
  uint32_t image = 0;
  int32_t next = 0; /* position */
  for (uint32_t token = 0; token < length; image++) {
    const uint32_t begin = image < most ? images_begin(&images, image) : length;
    int32_t position[3];
    for (; token < begin && token < length; token++, next++) {
      images_position(&images, token, position);
      for (int axis = 0; axis < 3; axis++)
        cr_assert_eq(position[axis], next, "%u tokens: token %u of text, axis %d", length, token, axis);
    }
    const uint32_t rows = image % 2 == 0 ? images.short_side : images.long_side;
    const uint32_t columns = images_tokens(&images) / rows;
    for (uint32_t i = 0; i < rows * columns && token < length; i++, token++) {
      images_position(&images, token, position);
      cr_assert_eq(position[0], next, "%u tokens: time of token %u", length, token);
      cr_assert_eq(position[1], next + (int32_t)(i / columns), "%u tokens: height of token %u", length, token);
      cr_assert_eq(position[2], next + (int32_t)(i % columns), "%u tokens: width of token %u", length, token);
    }
    next += (int32_t)images.long_side;
  }
}

Test(images, positions) {
  for (uint32_t length = 1; length < 700; length++)
    check_length(length);
  check_length(100000);
}

/* Sides differ where there is room for it, so that height and width cannot be taken for each other. */
Test(images, sides) {
  for (uint32_t length = 1; length < 100000; length += 17) {
    const struct images images = images_for(length);
    cr_assert_leq(images_tokens(&images), length / 16 + 1, "%u", length);
    cr_assert_gt(2 * images_tokens(&images), length < 4096 ? length / 16 : 256, "%u", length);
    cr_assert(length < 16 || images.short_side < images.long_side, "%u", length);
  }
}
