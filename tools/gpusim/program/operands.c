/* Reads the operands of a statement by the letters of a form. */
#include "program/operands.h"

#include "program/values.h"

#include <string.h>

static bool push(struct sim_draft *d, uint32_t value) {
  if (d->count == SIM_MAX_OPERANDS)
    return false;
  d->values[d->count++] = value;
  return true;
}

/* Letters v and e stand for a word or a wide value. Elements of a vector are of one kind: that of its registers, where
 * others, constants and sinks, have none. */
static char resolve_letter(const struct sim_decoder *decoder, const struct sim_draft *d,
                           const struct ptx_operand *operand, char letter) {
  if (letter != 'v' && letter != 'e')
    return letter;
  if (letter == 'e' || d->inst.size == 8)
    return d->inst.size == 8 ? 'x' : 'w';
  bool is_list = operand->kind == PTX_LIST;
  const struct ptx_operand *items = is_list ? operand->items : operand;
  uint32_t count = is_list ? operand->item_count : 1;
  for (uint32_t i = 0; i < count; i++)
    if (items[i].kind == PTX_REGISTER)
      return sim_operand_class(decoder, &items[i]) == PTX_CLASS_WIDE ? 'x' : 'w';
  return 'w';
}

static bool may_negate(char letter, bool destination) {
  return letter == 'p' && !destination;
}

static bool read_value(struct sim_decoder *decoder, struct sim_draft *d, const struct ptx_operand *operand, char letter,
                       bool destination) {
  uint32_t value = 0;
  if (operand->negated && !may_negate(letter, destination))
    return false;
  d->inst.wide = d->inst.wide || letter == 'x';
  bool fits = destination ? sim_destination_value(decoder, operand, letter, &value)
                          : sim_source_value(decoder, operand, letter, &value);
  return fits && push(d, value);
}

static bool read_address(struct sim_decoder *decoder, struct sim_draft *d, const struct ptx_operand *operand) {
  if (operand->kind != PTX_ADDRESS || operand->item_count != 1 || d->inst.address_count == SIM_MAX_ADDRESSES)
    return false;
  const struct ptx_operand *base = operand->items;
  if (base->negated || base->pair)
    return false;
  bool word = base->kind == PTX_REGISTER && sim_operand_class(decoder, base) == PTX_CLASS_WORD;
  d->inst.address_wide[d->inst.address_count] = !word;
  d->inst.address_source[d->inst.address_count] = (uint8_t)(d->count - d->inst.destinations);
  d->inst.offset[d->inst.address_count++] = operand->value;
  if (base->kind == PTX_VARIABLE && base->variable->space == PTX_CALL)
    d->inst.space = PTX_CALL;
  uint32_t value;
  return sim_source_value(decoder, base, word ? 'w' : 'x', &value) && push(d, value);
}

/* [map, {coordinates}]: the address of a tensor map, then as many words as the tensor has dimensions. */
static bool read_tensor(struct sim_decoder *decoder, struct sim_draft *d, const struct ptx_operand *operand) {
  if (operand->kind != PTX_ADDRESS || operand->item_count != 2)
    return false;
  struct ptx_operand map = *operand;
  const struct ptx_operand *at = &operand->items[1];
  map.item_count = 1;
  if (!read_address(decoder, d, &map) || at->kind != PTX_LIST || at->item_count != d->inst.count)
    return false;
  for (uint32_t i = 0; i < at->item_count; i++)
    if (at->items[i].pair || !read_value(decoder, d, &at->items[i], 'w', false))
      return false;
  return true;
}

static const struct ptx_label *find_label(const struct ptx_function *function, const char *name, uint32_t scope) {
  for (;; scope = function->scope_parents[scope - 1]) {
    for (size_t i = 0; i < function->label_count; i++)
      if (function->labels[i].name == name && function->labels[i].scope == scope)
        return &function->labels[i];
    if (scope == 0)
      return NULL;
  }
}

/* Targets hold statement numbers until the whole function is decoded. */
static bool read_targets(struct sim_decoder *decoder, struct sim_draft *d, const struct ptx_operand *list,
                         uint32_t count) {
  const struct ptx_function *function = decoder->units[decoder->current].function;
  d->inst.targets = sim_arena_take(decoder->program->source->arena, count * sizeof *d->inst.targets);
  d->inst.target_count = (uint16_t)count;
  for (uint32_t i = 0; i < count; i++) {
    const struct ptx_label *label =
        list[i].kind == PTX_NAME ? find_label(function, list[i].name, decoder->statement->scope) : NULL;
    if (!label) {
      sim_decode_fail(decoder, "unknown label");
      return false;
    }
    d->inst.targets[i] = label->statement;
  }
  return true;
}

static bool read_label_table(struct sim_decoder *decoder, struct sim_draft *d, const struct ptx_operand *operand) {
  const struct ptx_function *function = decoder->units[decoder->current].function;
  if (operand->kind != PTX_NAME)
    return false;
  const struct ptx_label *label = find_label(function, operand->name, decoder->statement->scope);
  if (!label || label->statement >= function->statement_count)
    return false;
  const struct ptx_statement *table = &function->statements[label->statement];
  return strcmp(table->opcode, ".branchtargets") == 0 &&
         read_targets(decoder, d, table->operands, table->operand_count);
}

static bool read_pair(struct sim_decoder *decoder, struct sim_draft *d, const struct ptx_operand *operand) {
  static const struct ptx_operand sink = {.kind = PTX_SINK};
  return read_value(decoder, d, operand->pair ? operand->pair : &sink, 'p', true);
}

static bool read_list(struct sim_decoder *decoder, struct sim_draft *d, const struct ptx_operand *operand,
                      uint32_t count, char letter, bool destination) {
  if (operand->kind != PTX_LIST || operand->item_count != count)
    return false;
  for (uint32_t i = 0; i < count; i++)
    if (operand->items[i].pair || !read_value(decoder, d, &operand->items[i], letter, destination))
      return false;
  return true;
}

/* One operand and the letters that say what it is, with the q of p|q if they do. */
static bool read_operand(struct sim_decoder *decoder, struct sim_draft *d, const struct ptx_operand *operand,
                         const char **letters, bool destination) {
  char letter = *(*letters)++;
  uint32_t count = 1;
  bool is_list = false;
  if (letter == '*' || (letter >= '0' && letter <= '9')) {
    count = letter == '*' ? d->inst.count : (uint32_t)(letter - '0');
    is_list = letter != '*' || count > 1;
    letter = *(*letters)++;
  }
  letter = resolve_letter(decoder, d, operand, letter);
  bool is_pair = **letters == 'o';
  *letters += is_pair;
  if ((operand->pair && !is_pair) || (operand->negated && (is_list || !may_negate(letter, destination))))
    return false;
  if (is_list)
    return read_list(decoder, d, operand, count, letter, destination);
  switch (letter) {
  case 'm':
    return read_address(decoder, d, operand);
  case 'M':
    return read_tensor(decoder, d, operand);
  case 'i':
    d->inst.immediate = operand->value;
    return operand->kind == PTX_INTEGER;
  case 'j':
    d->inst.immediate = d->inst.immediate << 8 | (operand->value & 255);
    return operand->kind == PTX_INTEGER;
  case 'l':
    return read_targets(decoder, d, operand, 1);
  case 't':
    return read_label_table(decoder, d, operand);
  default:
    return read_value(decoder, d, operand, letter, destination) && (!is_pair || read_pair(decoder, d, operand));
  }
}

bool sim_read_operands(struct sim_decoder *decoder, struct sim_draft *d, const struct sim_form *form) {
  const struct ptx_statement *statement = decoder->statement;
  const char *letters = form->operands;
  bool destination = true;
  bool in_out = *letters == '+';
  uint32_t next = 0;
  letters += in_out;
  while (*letters) {
    if (*letters == ':') {
      destination = false;
      d->inst.destinations = (uint8_t)d->count;
      letters++;
    } else if (next == statement->operand_count ||
               !read_operand(decoder, d, &statement->operands[next++], &letters, destination)) {
      return false;
    }
  }
  for (uint32_t i = 0; in_out && i < d->inst.destinations; i++)
    if (!push(d, d->values[i]))
      return false;
  d->inst.sources = (uint8_t)(d->count - d->inst.destinations);
  return next == statement->operand_count;
}
