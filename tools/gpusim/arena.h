/* Memory that lives as long as one module: bump allocation, interned strings and growing arrays. */
#ifndef GPUSIM_ARENA_H
#define GPUSIM_ARENA_H

#include <stddef.h>

struct sim_arena;

/* The simulator is a test tool: running out of host memory ends the process with a message. */
void *sim_allocate(size_t bytes); /* zeroed, released with free() */
void *sim_resize(void *memory, size_t bytes);

struct sim_arena *sim_arena_create(void);
void sim_arena_destroy(struct sim_arena *arena);
void *sim_arena_take(struct sim_arena *arena, size_t bytes); /* zeroed */
char *sim_arena_copy(struct sim_arena *arena, const char *text, size_t length);

/* Equal texts give equal pointers. */
const char *sim_arena_intern(struct sim_arena *arena, const char *text, size_t length);

/* Makes room for one more element in a heap array of `count` elements. */
#define SIM_PUSH(array, count, capacity)                                                                               \
  ((count) < (capacity) ? (void)0                                                                                      \
                        : (void)((capacity) = (capacity) ? (capacity)*2 : 16,                                          \
                                 (array) = sim_resize((array), (capacity) * sizeof *(array))))

#endif
