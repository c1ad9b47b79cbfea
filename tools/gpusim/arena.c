/* Bump allocation and string interning. */
#include "arena.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CHUNK_BYTES = 256 * 1024, ALIGNMENT = 16, INTERN_START = 1024 };

struct chunk {
  struct chunk *next;
  size_t used;
  size_t size;
  _Alignas(ALIGNMENT) char bytes[];
};

struct sim_arena {
  struct chunk *chunks;
  const char **interned; /* open addressing, power of two */
  size_t interned_count;
  size_t interned_capacity;
};

static void *check(void *memory) {
  if (!memory) {
    fputs("flashjit simulator: out of host memory\n", stderr);
    abort();
  }
  return memory;
}

void *sim_allocate(size_t bytes) {
  return check(calloc(1, bytes ? bytes : 1));
}

void *sim_resize(void *memory, size_t bytes) {
  return check(realloc(memory, bytes));
}

struct sim_arena *sim_arena_create(void) {
  struct sim_arena *arena = sim_allocate(sizeof *arena);
  arena->interned_capacity = INTERN_START;
  arena->interned = sim_allocate(INTERN_START * sizeof *arena->interned);
  return arena;
}

void sim_arena_destroy(struct sim_arena *arena) {
  if (!arena)
    return;
  while (arena->chunks) {
    struct chunk *next = arena->chunks->next;
    free(arena->chunks);
    arena->chunks = next;
  }
  free(arena->interned);
  free(arena);
}

void *sim_arena_take(struct sim_arena *arena, size_t bytes) {
  bytes = (bytes + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1);
  struct chunk *head = arena->chunks;
  if (!head || head->size - head->used < bytes) {
    size_t size = bytes > CHUNK_BYTES ? bytes : CHUNK_BYTES;
    head = sim_allocate(sizeof *head + size);
    head->size = size;
    head->next = arena->chunks;
    arena->chunks = head;
  }
  void *memory = head->bytes + head->used;
  head->used += bytes;
  return memory;
}

char *sim_arena_copy(struct sim_arena *arena, const char *text, size_t length) {
  char *copy = sim_arena_take(arena, length + 1);
  memcpy(copy, text, length);
  return copy;
}

/* FNV-1a: names are short. */
static size_t hash_text(const char *text, size_t length) {
  uint64_t hash = 0xcbf29ce484222325u;
  for (size_t i = 0; i < length; i++)
    hash = (hash ^ (unsigned char)text[i]) * 0x100000001b3u;
  return (size_t)hash;
}

static const char **find_interned(struct sim_arena *arena, const char *text, size_t length) {
  size_t mask = arena->interned_capacity - 1;
  size_t at = hash_text(text, length) & mask;
  while (arena->interned[at] &&
         (strncmp(arena->interned[at], text, length) != 0 || arena->interned[at][length] != '\0'))
    at = (at + 1) & mask;
  return &arena->interned[at];
}

static void grow_interned(struct sim_arena *arena) {
  const char **old = arena->interned;
  size_t old_capacity = arena->interned_capacity;
  arena->interned_capacity *= 2;
  arena->interned = sim_allocate(arena->interned_capacity * sizeof *arena->interned);
  for (size_t i = 0; i < old_capacity; i++)
    if (old[i])
      *find_interned(arena, old[i], strlen(old[i])) = old[i];
  free(old);
}

const char *sim_arena_intern(struct sim_arena *arena, const char *text, size_t length) {
  const char **slot = find_interned(arena, text, length);
  if (*slot)
    return *slot;
  const char *copy = sim_arena_copy(arena, text, length);
  *slot = copy;
  if (++arena->interned_count * 2 > arena->interned_capacity)
    grow_interned(arena);
  return copy;
}
