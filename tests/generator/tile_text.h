/* Tiles of specs that are written as text. What is not there fails the test. */
#ifndef TESTS_GENERATOR_TILE_TEXT_H
#define TESTS_GENERATOR_TILE_TEXT_H

#include "generator/tile.h"

/* A number of a tile. */
uint32_t number(const struct tile *tile, const char *name);

/* The first choice for a spec. */
struct tile tile_of(const char *text, const char *target);

#endif
