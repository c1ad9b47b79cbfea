/* Device memory of all devices: one reserved range, allocations sorted by address, and their shadow. */
#include "machine/memory.h"

#include "arena.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define RANGE_BYTES (UINT64_C(1) << 38)
#define DEVICE_BYTES (UINT64_C(16) << 30)
#define PAGE UINT64_C(4096)
#define GAP (16 * PAGE)
#define FIRST_OFFSET ((uint64_t)(SIM_SHARED_WINDOWS + 3) * SIM_WINDOW_BYTES)

static struct {
  uint64_t range;
  uint8_t *defined; /* one bit per byte of the range */
  uint8_t *cells;   /* eight bytes per word */
  struct sim_allocation **sorted;
  size_t count;
  size_t capacity;
  uint64_t cursor; /* where the next search starts, so that freed addresses stay unused for long */
  uint64_t used[SIM_MAX_DEVICES];
  uint32_t serial;
} memory;

static void *reserve(uint64_t bytes, int protection) {
  void *range = mmap(NULL, bytes, protection, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  return range == MAP_FAILED ? NULL : range;
}

bool sim_memory_start(void) {
  if (memory.range)
    return true;
  void *range = reserve(RANGE_BYTES, PROT_NONE);
  memory.defined = reserve(RANGE_BYTES / 8, PROT_READ | PROT_WRITE);
  memory.cells = reserve(RANGE_BYTES * 2, PROT_READ | PROT_WRITE);
  if (!range || !memory.defined || !memory.cells)
    return false;
  memory.range = (uint64_t)(uintptr_t)range;
  memory.cursor = memory.range + FIRST_OFFSET;
  return true;
}

uint64_t sim_window_shared(void) {
  return memory.range + SIM_WINDOW_BYTES;
}

uint64_t sim_window_local(void) {
  return memory.range + (uint64_t)(SIM_SHARED_WINDOWS + 1) * SIM_WINDOW_BYTES;
}

uint64_t sim_window_parameters(void) {
  return memory.range + (uint64_t)(SIM_SHARED_WINDOWS + 2) * SIM_WINDOW_BYTES;
}

uint64_t sim_memory_used(uint32_t device) {
  return memory.used[device];
}

uint64_t sim_memory_total(void) {
  return DEVICE_BYTES;
}

static uint64_t mapped_bytes(uint64_t size) {
  return (size + PAGE - 1) & ~(PAGE - 1);
}

/* Number of allocations whose base is not above the address. */
static size_t upper_bound(uint64_t address) {
  size_t low = 0;
  size_t high = memory.count;
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    if (memory.sorted[middle]->base <= address)
      low = middle + 1;
    else
      high = middle;
  }
  return low;
}

struct sim_allocation *sim_memory_find(uint64_t address) {
  size_t after = upper_bound(address);
  if (after == 0)
    return NULL;
  struct sim_allocation *allocation = memory.sorted[after - 1];
  return address - allocation->base < allocation->size ? allocation : NULL;
}

/* First gap at or after `start` that holds `bytes` and both guard gaps. The allocation ends at a page end
 * when its size allows, which the guard does not need: every access is checked against the exact size. */
static uint64_t search_gap(uint64_t start, uint64_t bytes) {
  uint64_t at = start;
  for (size_t i = upper_bound(start); i <= memory.count; i++) {
    if (i > 0) {
      uint64_t end = memory.sorted[i - 1]->base + mapped_bytes(memory.sorted[i - 1]->size) + GAP;
      at = end > at ? end : at;
    }
    uint64_t limit = i < memory.count ? memory.sorted[i]->base : memory.range + RANGE_BYTES;
    if (at + bytes + GAP <= limit)
      return at;
  }
  return 0;
}

uint64_t sim_memory_allocate(uint32_t device, uint64_t bytes, const char *name) {
  uint64_t mapped = mapped_bytes(bytes);
  if (bytes == 0 || memory.used[device] + bytes > DEVICE_BYTES)
    return 0;
  uint64_t base = search_gap(memory.cursor, mapped);
  if (!base)
    base = search_gap(memory.range + FIRST_OFFSET, mapped);
  if (!base || mprotect((void *)(uintptr_t)base, mapped, PROT_READ | PROT_WRITE) != 0)
    return 0;
  struct sim_allocation *allocation = sim_allocate(sizeof *allocation);
  allocation->base = base;
  allocation->size = bytes;
  allocation->device = device;
  allocation->serial = ++memory.serial;
  allocation->name = name;
  allocation->undefined = bytes;
  size_t at = upper_bound(base);
  SIM_PUSH(memory.sorted, memory.count, memory.capacity);
  memmove(memory.sorted + at + 1, memory.sorted + at, (memory.count - at) * sizeof *memory.sorted);
  memory.sorted[at] = allocation;
  memory.count++;
  memory.used[device] += bytes;
  memory.cursor = base + mapped + GAP;
  return base;
}

static uint8_t *defined_byte(uint64_t address) {
  return memory.defined + (address - memory.range) / 8;
}

_Atomic uint64_t *sim_memory_cell(uint64_t address) {
  return (_Atomic uint64_t *)(void *)(memory.cells + (address - memory.range) / 4 * 8);
}

/* Zeroes a part of a private mapping. Its whole pages are given back, which is quick however many there are.
 */
static void zero(uint8_t *begin, uint64_t bytes) {
  uint8_t *end = begin + bytes;
  const uint64_t head = (PAGE - (uintptr_t)begin % PAGE) % PAGE;
  if (head >= bytes) {
    memset(begin, 0, bytes);
    return;
  }
  uint8_t *pages = begin + head;
  const uint64_t tail = (uint64_t)(end - pages) % PAGE;
  memset(begin, 0, head);
  madvise(pages, (uint64_t)(end - pages) - tail, MADV_DONTNEED);
  memset(end - tail, 0, tail);
}

static void forget(const struct sim_allocation *allocation) {
  uint64_t mapped = mapped_bytes(allocation->size);
  void *data = (void *)(uintptr_t)allocation->base;
  madvise(data, mapped, MADV_DONTNEED);
  mprotect(data, mapped, PROT_NONE);
  zero(defined_byte(allocation->base), mapped / 8);
  madvise((void *)(uintptr_t)sim_memory_cell(allocation->base), mapped * 2, MADV_DONTNEED);
}

bool sim_memory_free(uint64_t base) {
  struct sim_allocation *allocation = sim_memory_find(base);
  if (!allocation || allocation->base != base)
    return false;
  size_t at = upper_bound(base) - 1;
  forget(allocation);
  memory.used[allocation->device] -= allocation->size;
  memory.count--;
  memmove(memory.sorted + at, memory.sorted + at + 1, (memory.count - at) * sizeof *memory.sorted);
  free(allocation);
  return true;
}

void sim_memory_clear_cells(void) {
  for (size_t i = 0; i < memory.count; i++)
    madvise((void *)(uintptr_t)sim_memory_cell(memory.sorted[i]->base), mapped_bytes(memory.sorted[i]->size) * 2,
            MADV_DONTNEED);
}

static int describe_one(const struct sim_allocation *allocation, char *text, size_t bytes) {
  return snprintf(text, bytes, "allocation #%" PRIu32 "%s%s [%#" PRIx64 ", %" PRIu64 " bytes]", allocation->serial,
                  allocation->name ? " of variable " : "", allocation->name ? allocation->name : "", allocation->base,
                  allocation->size);
}

void sim_memory_describe(uint64_t address, char *text, size_t bytes) {
  size_t after = upper_bound(address);
  if (after == 0) {
    snprintf(text, bytes, "no allocation lies at or before the address");
    return;
  }
  const struct sim_allocation *before = memory.sorted[after - 1];
  int used = describe_one(before, text, bytes);
  uint64_t distance = address - before->base;
  if (distance < before->size)
    snprintf(text + used, bytes - (size_t)used, ", offset %" PRIu64, distance);
  else
    snprintf(text + used, bytes - (size_t)used, ", %" PRIu64 " bytes past its end", distance - before->size);
}

void sim_memory_define(uint64_t address, uint64_t bytes) {
  struct sim_allocation *allocation = sim_memory_find(address);
  if (!allocation || allocation->undefined == 0)
    return;
  while (bytes > 0) {
    uint64_t step = 64 - address % 64;
    step = step < bytes ? step : bytes;
    sim_memory_define_access(allocation, address, (uint32_t)step);
    address += step;
    bytes -= step;
  }
}

/* Bits of `bytes` bytes at the address within the 64-bit group that holds them. */
static uint64_t group_mask(uint64_t address, uint32_t bytes) {
  return (bytes >= 64 ? UINT64_MAX : (UINT64_C(1) << bytes) - 1) << (address % 64);
}

static _Atomic uint64_t *group(uint64_t address) {
  return (_Atomic uint64_t *)(void *)(memory.defined + (address - memory.range) / 64 * 8);
}

void sim_memory_define_access(struct sim_allocation *allocation, uint64_t address, uint32_t bytes) {
  uint64_t mask = group_mask(address, bytes);
  _Atomic uint64_t *bits = group(address);
  uint64_t before = atomic_load_explicit(bits, memory_order_relaxed);
  if ((before & mask) == mask)
    return;
  before = atomic_fetch_or_explicit(bits, mask, memory_order_relaxed);
  uint64_t added = (uint64_t)__builtin_popcountll(mask & ~before);
  atomic_fetch_sub_explicit(&allocation->undefined, added, memory_order_relaxed);
}

uint32_t sim_memory_undefined(uint64_t address, uint32_t bytes) {
  uint64_t bits = atomic_load_explicit(group(address), memory_order_relaxed);
  uint64_t mask = group_mask(address, bytes);
  return (uint32_t)((~bits & mask) >> (address % 64));
}
