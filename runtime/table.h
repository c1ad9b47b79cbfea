/*
 * The kernel table of a context: from the bytes of a spec to its kernel. A kernel is found under its
 * canonical spec and under every other spelling of it that was asked for, so that a look-up neither checks
 * nor canonicalises.
 *
 * Look-ups take no lock and may run beside one addition. Nothing is removed before the table is freed.
 */
#ifndef RUNTIME_TABLE_H
#define RUNTIME_TABLE_H

#include "flashjit.h"

#include <stdatomic.h>
#include <stdbool.h>

enum { TABLE_SLOTS = 8192, TABLE_MOST_KERNELS = TABLE_SLOTS / 2, TABLE_MOST_SPELLINGS = TABLE_SLOTS / 4 };

struct table_node;

struct table {
  _Atomic(struct table_node *) slots[TABLE_SLOTS];
  uint32_t kernels;
  uint32_t spellings;
};

/* NULL when the table does not have this spelling; it must have the struct_size of this header. */
fi_kernel *table_find(const struct table *table, const fi_spec *spec);

/*
 * Adds a spelling that is not there; the caller lets no two threads in. A canonical one is refused only when
 * the table is full or memory runs out, others when there are many already: they then take the slow way each
 * time.
 */
bool table_add(struct table *table, const fi_spec *spec, fi_kernel *kernel, bool canonical);

/* Calls visit once for each kernel. */
void table_visit(const struct table *table, void (*visit)(fi_kernel *kernel));

/* Frees the table's own memory, not the kernels. */
void table_free(struct table *table);

#endif
