/* How products of 8-bit elements are summed, on numbers that tell each rule from others. */
#include "exec/narrow.h"

#include <criterion/criterion.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))

enum { MOST_TERMS = 3, COLUMN = 5 };

static const struct sim_cut wgmma_e4m3 = {0x1p-6f, 0x1p-6f, 0x1p13f, ~0x3ff};
static const struct sim_cut halves = {0x1p-14f, 0x1p-14f, 0x1p25f, ~0};

static const struct {
  const char *what;
  const struct sim_cut *cut;
  float sum;
  float a[MOST_TERMS];
  float b[MOST_TERMS];
  float result;
} cases[] = {
    {"13 bits below the largest", &wgmma_e4m3, 0x1p-13f, {1}, {1}, 1 + 0x1p-13f},
    {"and no more", &wgmma_e4m3, 0x1.ep-14f, {1}, {1}, 1},
    {"toward 0 on either side", &wgmma_e4m3, -0x1.ep-14f, {1}, {1}, 1},
    {"each term by itself", &wgmma_e4m3, 0x1.8p-13f, {1, 0x1p-6f, 0x1p-6f}, {1, 0x1.8p-7f, 0x1.8p-7f}, 1 + 0x1.8p-12f},
    {"products are not normalised",
     &wgmma_e4m3,
     0,
     {1.5f, 0x1p-6f, 0x1p-6f},
     {1.5f, 0x1p-7f, 0x1p-7f},
     2.25f + 0x1p-12f},
    {"nor are elements", &wgmma_e4m3, 0x1p-12f, {0x1p-9f}, {256}, 0.5f},
    {"a result of 13 bits, toward 0", &wgmma_e4m3, -1, {-1, -0x1p-6f}, {1, 0x1p-7f}, -2},
    {"elements of 16 bits are normal", &halves, 0x1p-24f, {0x1p-9f}, {256}, 0.5f + 0x1p-24f},
    {"25 bits below the largest", &halves, 0, {1, 0x1p-9f, -1}, {1, 0x1p-16f, 1}, 0x1p-25f},
    {"a result of 23 bits, toward 0", &halves, 1 + 0x1p-23f, {1, 0x1p-12f}, {1, 0x1.8p-12f}, 2},
    {"on either side", &halves, -1 - 0x1p-23f, {-1, -0x1p-12f}, {1, 0x1.8p-12f}, -2},
    {"infinite", &wgmma_e4m3, 1, {INFINITY, 1}, {-1, 1}, -INFINITY},
    {"no number", &wgmma_e4m3, 1, {INFINITY, 1}, {0, 1}, NAN},
    {"an infinite accumulator", &halves, INFINITY, {1}, {1}, INFINITY},
    {"no number, from infinities", &halves, -INFINITY, {INFINITY}, {1}, NAN},
};

static bool same(float a, float b) {
  return sim_bits(a) == sim_bits(b) || (isnan(a) && isnan(b));
}

/* One element is the case's, in a row and a column of zeros and ones: the others are what they would be without. */
static void try_case(size_t i) {
  float tile[SIM_TILE_ROWS][SIM_NARROW_DEPTH] = {{0}};
  sim_row_vector rows[SIM_NARROW_DEPTH] = {{0}};
  sim_row_vector sums[SIM_TILE_ROWS] = {{0}};
  const uint32_t row = 3;
  sums[row][COLUMN] = cases[i].sum;
  for (uint32_t k = 0; k < MOST_TERMS; k++) {
    tile[row][7 * k] = cases[i].a[k];
    rows[7 * k][COLUMN] = cases[i].b[k];
  }
  tile[row][31] = 1;
  rows[31][COLUMN + 1] = 2;
  tile[row + 1][31] = 3;
  sim_multiply_narrow(sums, tile[0], SIM_NARROW_DEPTH, SIM_NARROW_DEPTH, rows, cases[i].cut);
  cr_expect(same(sums[row][COLUMN], cases[i].result), "%s: %a, not %a", cases[i].what, (double)sums[row][COLUMN],
            (double)cases[i].result);
  cr_expect(isinf(cases[i].a[0]) || sums[row][COLUMN + 1] == 2, "%s: %g", cases[i].what, (double)sums[row][COLUMN + 1]);
  cr_expect_eq(sums[row + 1][COLUMN + 1], 6, "%s: %g", cases[i].what, (double)sums[row + 1][COLUMN + 1]);
}

Test(gpusim_narrow, sums) {
  for (size_t i = 0; i < COUNT(cases); i++)
    try_case(i);
}

/* 16 of the largest products of 8-bit elements, whose sum in units of the last bit is the largest there is. */
Test(gpusim_narrow, the_largest_sum) {
  float tile[SIM_TILE_ROWS][SIM_NARROW_DEPTH] = {{0}};
  sim_row_vector rows[SIM_NARROW_DEPTH] = {{0}};
  sim_row_vector sums[SIM_TILE_ROWS] = {{0}};
  for (uint32_t k = 0; k < SIM_NARROW_DEPTH / 2; k++) {
    tile[0][k] = 240;
    rows[k][0] = -240;
  }
  sums[0][0] = -0x1p14f;
  sim_multiply_narrow(sums, tile[0], SIM_NARROW_DEPTH, SIM_NARROW_DEPTH / 2, rows, &halves);
  cr_expect_eq(sums[0][0], -16 * 240 * 240 - 0x1p14f);
}
