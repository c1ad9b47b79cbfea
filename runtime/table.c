/* The kernel table: open addressing over pointers that are written once. */
#include "runtime/table.h"

#include "cache/hash.h"

#include <stdlib.h>
#include <string.h>

struct table_node {
  uint64_t hash;
  fi_spec spec;
  fi_kernel *kernel;
  bool canonical;
};

_Static_assert(sizeof(fi_spec) % sizeof(uint32_t) == 0, "a spec has no padding, so its bytes can be hashed");

static uint64_t hash_of(const fi_spec *spec) {
  return XXH3_64bits(spec, offsetof(fi_spec, reserved)); /* the rest is zero in every spec of the table */
}

static uint32_t next_slot(uint32_t slot) {
  return (slot + 1) % TABLE_SLOTS;
}

fi_kernel *table_find(const struct table *table, const fi_spec *spec) {
  const uint64_t hash = hash_of(spec);
  for (uint32_t slot = (uint32_t)(hash % TABLE_SLOTS);; slot = next_slot(slot)) {
    const struct table_node *node = atomic_load_explicit(&table->slots[slot], memory_order_acquire);
    if (!node)
      return NULL;
    if (node->hash == hash && memcmp(&node->spec, spec, sizeof *spec) == 0)
      return node->kernel;
  }
}

bool table_add(struct table *table, const fi_spec *spec, fi_kernel *kernel, bool canonical) {
  uint32_t *count = canonical ? &table->kernels : &table->spellings;
  if (*count >= (canonical ? TABLE_MOST_KERNELS : TABLE_MOST_SPELLINGS))
    return false;
  struct table_node *node = malloc(sizeof *node);
  if (!node)
    return false;
  *node = (struct table_node){.hash = hash_of(spec), .spec = *spec, .kernel = kernel, .canonical = canonical};
  uint32_t slot = (uint32_t)(node->hash % TABLE_SLOTS);
  while (atomic_load_explicit(&table->slots[slot], memory_order_relaxed))
    slot = next_slot(slot);
  atomic_store_explicit(&table->slots[slot], node, memory_order_release);
  ++*count;
  return true;
}

void table_visit(const struct table *table, void (*visit)(fi_kernel *kernel)) {
  for (uint32_t slot = 0; slot < TABLE_SLOTS; slot++) {
    const struct table_node *node = atomic_load_explicit(&table->slots[slot], memory_order_acquire);
    if (node && node->canonical)
      visit(node->kernel);
  }
}

void table_free(struct table *table) {
  for (uint32_t slot = 0; slot < TABLE_SLOTS; slot++)
    free(atomic_load_explicit(&table->slots[slot], memory_order_relaxed));
}
