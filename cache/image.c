/* Sanity of cubin and PTX images.
 *
 * A cubin is a little-endian ELF64 file of machine 190. Where its SM number is depends on the ABI version:
 *
 *   OSABI  ABI version  SM number              seen from NVRTC
 *   0x33   7            e_flags bits 0 to 7    12.8: sm_80, sm_90a
 *   0x41   8            e_flags bits 8 to 15   12.8: sm_100a, sm_120a; 13.0: sm_75 to sm_121a
 *
 * The code of a kernel is the section ".text.<symbol>". */
#include "cache/image.h"

#include "cache/bytes.h"

#include <elf.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum { MACHINE_CUDA = 190 };

static const struct cubin_abi {
  unsigned char osabi, version;
  unsigned sm_shift;
} cubin_abis[] = {
    {0x33, 7, 0},
    {0x41, 8, 8},
};

/* A slice of the image that lies inside it, or NULL. */
static const unsigned char *slice(const unsigned char *image, size_t size, uint64_t at, uint64_t length) {
  return at <= size && length <= size - at ? image + at : NULL;
}

struct section {
  uint32_t name_at; /* in the section name table */
  uint32_t type;
  uint64_t at;
  uint64_t size;
};

struct cubin {
  const unsigned char *image;
  size_t size;
  const unsigned char *section_table;
  unsigned section_count;
  const unsigned char *names;
  size_t names_size;
};

static struct section section_get(const struct cubin *cubin, unsigned index) {
  const unsigned char *header = cubin->section_table + index * sizeof(Elf64_Shdr);
  return (struct section){
      .name_at = bytes_get_u32(header + offsetof(Elf64_Shdr, sh_name)),
      .type = bytes_get_u32(header + offsetof(Elf64_Shdr, sh_type)),
      .at = bytes_get_u64(header + offsetof(Elf64_Shdr, sh_offset)),
      .size = bytes_get_u64(header + offsetof(Elf64_Shdr, sh_size)),
  };
}

static bool cubin_is_for(const unsigned char *image, size_t size, uint32_t sm, struct cache_reason *reason) {
  if (size < sizeof(Elf64_Ehdr) || memcmp(image, ELFMAG, SELFMAG) != 0)
    return cache_refuse(reason, "image is not an ELF file");
  if (image[EI_CLASS] != ELFCLASS64 || image[EI_DATA] != ELFDATA2LSB)
    return cache_refuse(reason, "image is not a little-endian ELF64 file");
  unsigned machine = bytes_get_u16(image + offsetof(Elf64_Ehdr, e_machine));
  if (machine != MACHINE_CUDA)
    return cache_refuse(reason, "image is for ELF machine %u, a cubin has %d", machine, MACHINE_CUDA);

  uint32_t flags = bytes_get_u32(image + offsetof(Elf64_Ehdr, e_flags));
  for (size_t i = 0; i < sizeof cubin_abis / sizeof *cubin_abis; i++) {
    const struct cubin_abi *abi = &cubin_abis[i];
    if (image[EI_OSABI] != abi->osabi || image[EI_ABIVERSION] != abi->version)
      continue;
    uint32_t found = flags >> abi->sm_shift & 0xff;
    return found == sm || cache_refuse(reason, "image is for SM %" PRIu32 ", not %" PRIu32, found, sm);
  }
  return cache_refuse(reason, "cubin has unknown ABI %#x version %u", image[EI_OSABI], image[EI_ABIVERSION]);
}

static bool cubin_open(const unsigned char *image, size_t size, struct cubin *cubin, struct cache_reason *reason) {
  uint64_t table_at = bytes_get_u64(image + offsetof(Elf64_Ehdr, e_shoff));
  unsigned entry_size = bytes_get_u16(image + offsetof(Elf64_Ehdr, e_shentsize));
  unsigned names_index = bytes_get_u16(image + offsetof(Elf64_Ehdr, e_shstrndx));
  cubin->image = image;
  cubin->size = size;
  cubin->section_count = bytes_get_u16(image + offsetof(Elf64_Ehdr, e_shnum));
  cubin->section_table = slice(image, size, table_at, (uint64_t)cubin->section_count * sizeof(Elf64_Shdr));
  if (entry_size != sizeof(Elf64_Shdr) || !cubin->section_table || names_index >= cubin->section_count)
    return cache_refuse(reason, "cubin has a broken section table");
  uint64_t segments_at = bytes_get_u64(image + offsetof(Elf64_Ehdr, e_phoff));
  unsigned segment_count = bytes_get_u16(image + offsetof(Elf64_Ehdr, e_phnum));
  if (!slice(image, size, segments_at, (uint64_t)segment_count * sizeof(Elf64_Phdr)))
    return cache_refuse(reason, "cubin has a broken segment table");

  struct section names = section_get(cubin, names_index);
  cubin->names = slice(image, size, names.at, names.size);
  cubin->names_size = (size_t)names.size;
  if (!cubin->names || names.size == 0 || cubin->names[names.size - 1] != '\0')
    return cache_refuse(reason, "cubin has a broken section name table");
  return true;
}

static bool section_is_code_of(const struct cubin *cubin, const struct section *section, const char *symbol) {
  static const char prefix[] = ".text.";
  if (section->type != SHT_PROGBITS || section->name_at >= cubin->names_size)
    return false;
  const char *name = (const char *)cubin->names + section->name_at;
  return strncmp(name, prefix, sizeof prefix - 1) == 0 && strcmp(name + sizeof prefix - 1, symbol) == 0;
}

static bool cubin_has_code(const struct cubin *cubin, const char *symbol, struct cache_reason *reason) {
  for (unsigned i = 0; i < cubin->section_count; i++) {
    struct section section = section_get(cubin, i);
    if (!section_is_code_of(cubin, &section, symbol))
      continue;
    if (section.size == 0 || !slice(cubin->image, cubin->size, section.at, section.size))
      return cache_refuse(reason, "code of \"%s\" is not inside the cubin", symbol);
    return true;
  }
  return cache_refuse(reason, "cubin has no code for \"%s\"", symbol);
}

static bool is_name_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '$';
}

/* Does `text` have `directive`, one space and exactly `name`? */
static bool ptx_declares(const char *text, const char *directive, const char *name) {
  size_t directive_size = strlen(directive);
  size_t name_size = strlen(name);
  for (const char *at = strstr(text, directive); at; at = strstr(at, directive)) {
    at += directive_size;
    if (at[0] == ' ' && strncmp(at + 1, name, name_size) == 0 && !is_name_character(at[1 + name_size]))
      return true;
  }
  return false;
}

static bool ptx_check(const char *image, size_t size, uint32_t sm, const char *suffix, const char *symbol,
                      struct cache_reason *reason) {
  if (size == 0 || memchr(image, '\0', size) != image + size - 1)
    return cache_refuse(reason, "PTX is not one NUL-terminated text");
  char target[32];
  snprintf(target, sizeof target, "sm_%" PRIu32 "%s", sm, suffix);
  if (!ptx_declares(image, ".target", target))
    return cache_refuse(reason, "PTX is not for target %s", target);
  if (!ptx_declares(image, ".entry", symbol))
    return cache_refuse(reason, "PTX has no entry \"%s\"", symbol);
  return true;
}

/* Splits "sm_90a" into its form, 90 and "a". */
static bool target_parse(const char *target, bool *is_ptx, uint32_t *sm, const char **suffix) {
  *is_ptx = strncmp(target, "compute_", 8) == 0;
  if (!*is_ptx && strncmp(target, "sm_", 3) != 0)
    return false;
  const char *digit = target + (*is_ptx ? 8 : 3);
  const char *first = digit;
  for (*sm = 0; *digit >= '0' && *digit <= '9' && digit - first < 3; digit++)
    *sm = *sm * 10 + (uint32_t)(*digit - '0');
  *suffix = digit;
  return digit > first && (*digit == '\0' || (*digit >= 'a' && *digit <= 'z' && digit[1] == '\0'));
}

bool cache_image_check(const void *image, size_t size, const char *target, const char *symbol,
                       struct cache_reason *reason) {
  bool is_ptx;
  uint32_t sm;
  const char *suffix;
  if (!target_parse(target, &is_ptx, &sm, &suffix))
    return cache_refuse(reason, "target \"%s\" is not like sm_90a or compute_90a", target);
  if (is_ptx)
    return ptx_check(image, size, sm, suffix, symbol, reason);
  struct cubin cubin = {0};
  return cubin_is_for(image, size, sm, reason) && cubin_open(image, size, &cubin, reason) &&
         cubin_has_code(&cubin, symbol, reason);
}
