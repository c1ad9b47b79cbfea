/* Random lists: what an indexer may choose, and the same for each share of the heads. */
#include "tools/flashjit/listing.h"

#include <criterion/criterion.h>
#include <string.h>

enum { ENTRIES = 24 };

Test(listing, blocks_up_to_its_own_once_each) {
  static const uint32_t places[] = {0, 1, 15, 16, 17, 200, 383, 384, 5000};
  for (uint32_t block = 1; block <= 16; block += 15) {
    const struct listing listing = {.block = block, .entries = ENTRIES, .heads = 1, .seed = 7};
    for (size_t p = 0; p < sizeof places / sizeof *places; p++) {
      const uint32_t blocks = places[p] / block + 1;
      bool is_there[5001] = {false};
      int32_t list[ENTRIES];
      const uint32_t count = listing_length(&listing, places[p]);
      listing_draw(&listing, 3, places[p], 0, list);
      cr_expect_eq(count, blocks < ENTRIES ? blocks : ENTRIES);
      for (uint32_t i = 0; i < count; i++) {
        cr_assert(list[i] >= 0 && (uint32_t)list[i] < blocks);
        cr_expect_not(is_there[list[i]], "place %u: block %d twice", places[p], list[i]);
        is_there[list[i]] = true;
      }
      cr_expect(is_there[blocks - 1], "place %u: its own block", places[p]);
      for (uint32_t i = count; i < ENTRIES; i++)
        cr_expect_eq(list[i], -1);
    }
  }
}

Test(listing, of_whom) {
  const struct listing whole = {.block = 1, .entries = ENTRIES, .heads = 4, .seed = 7};
  const struct listing share = {.block = 1, .entries = ENTRIES, .heads = 1, .first_head = 2, .seed = 7};
  int32_t first[ENTRIES], other[ENTRIES];
  listing_draw(&whole, 1, 1000, 2, first);
  listing_draw(&share, 1, 1000, 0, other);
  cr_expect_eq(memcmp(first, other, sizeof first), 0);
  const uint32_t others[][3] = {{0, 1000, 2}, {1, 999, 2}, {1, 1000, 1}}; /* request, place, head */
  for (size_t i = 0; i < 3; i++) {
    listing_draw(&whole, others[i][0], others[i][1], others[i][2], other);
    cr_expect_neq(memcmp(first, other, sizeof first), 0);
  }
}

/* Entries of 4 tokens: the last tokens may be in none yet, and the first query tokens see none. */
Test(listing, of_entries) {
  static const uint32_t expected[][2] = {{0, 0}, {2, 0},   {3, 1},   {6, 1},
                                         {7, 2}, {95, 24}, {400, 24}}; /* place, length */
  const struct listing listing = {.block = 1, .entries = ENTRIES, .heads = 1, .ratio = 4, .seed = 7};
  for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
    int32_t list[ENTRIES];
    uint32_t listed = 0;
    listing_draw(&listing, 0, expected[i][0], 0, list);
    for (uint32_t e = 0; e < ENTRIES; e++) {
      cr_expect(list[e] == -1 || (uint32_t)list[e] < (expected[i][0] + 1) / 4, "place %u: %d", expected[i][0], list[e]);
      listed += list[e] >= 0;
    }
    cr_expect_eq(listed, expected[i][1], "place %u: %u", expected[i][0], listed);
    cr_expect_eq(listing_length(&listing, expected[i][0]), expected[i][1]);
  }
}
