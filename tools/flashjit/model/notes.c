/* Sentences without repetition. */
#include "tools/flashjit/model/notes.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void note(struct notes *notes, const char *format, ...) {
  if (notes->count == MOST_NOTES)
    return;
  char *text = notes->text[notes->count];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(text, NOTE_SIZE, format, arguments);
  va_end(arguments);
  for (uint32_t i = 0; i < notes->count; i++) {
    if (strcmp(notes->text[i], text) == 0)
      return;
  }
  notes->count++;
}
