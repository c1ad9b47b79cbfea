/* Readers of the two trace formats, and what is done to lengths before they are used. */
#include "tools/flashjit/trace.h"

#include "tools/common/number.h"
#include "tools/flashjit/input.h"
#include "tools/flashjit/problem.h"
#include "tools/flashjit/python_json.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_TOKENS = 1 << 24, MOST_COLUMNS = 16 };

struct reader {
  struct trace *trace;
  struct input_lines lines;
};

static bool add(struct trace *trace, struct request request) {
  struct request *requests = realloc(trace->requests, (trace->count + 1) * sizeof *requests);
  if (!requests)
    return problem_set("out of memory");
  trace->requests = requests;
  trace->requests[trace->count++] = request;
  return true;
}

void trace_free(struct trace *trace) {
  free(trace->requests);
  *trace = (struct trace){0};
}

/* A request has at least one prompt token; it may have generated none. */
static bool check_tokens(struct reader *reader, const char *field, int64_t tokens, int64_t minimum) {
  if (tokens >= minimum && tokens <= MOST_TOKENS)
    return true;
  return input_lines_problem(&reader->lines, "field %s is %lld, not in %lld..%d", field, (long long)tokens,
                             (long long)minimum, MOST_TOKENS);
}

/* ------------------------------------------------------------------------------------------------ CSV */

enum { CSV_PROMPT, CSV_GENERATED, CSV_FIELDS };

static const char *const csv_fields[] = {"ContextTokens", "GeneratedTokens"};

/* The end of a text in quotes, where a column is nothing else; NULL otherwise. Two quotes in it stand for one. */
static char *closing_quote(char *column) {
  char *quote = column[0] == '"' ? strchr(column + 1, '"') : NULL;
  while (quote && quote[1] == '"')
    quote = strchr(quote + 2, '"');
  const char *after = quote ? quote + 1 + strspn(quote + 1, " \t") : "x";
  return *after == '\0' || *after == ',' ? quote : NULL;
}

/* The next column of a line, in place: without the blanks around it, or the quotes, in which a comma is text. */
static char *next_column(char **line) {
  char *column = *line + strspn(*line, " \t");
  char *quote = closing_quote(column);
  char *end = quote ? quote : column;
  end += strcspn(end, ",");
  *line = *end ? end + 1 : NULL;
  while (!quote && end > column && strchr(" \t", end[-1]))
    end--;
  *(quote ? quote : end) = '\0';
  return quote ? column + 1 : column;
}

static size_t split(char *line, char **columns) {
  size_t count = 0;
  line[strcspn(line, "\r\n")] = '\0';
  while (line && count < MOST_COLUMNS)
    columns[count++] = next_column(&line);
  return count;
}

/* Writers whose columns may have gaps write whole numbers as 374.0. */
static bool parse_tokens(char *text, uint64_t *tokens) {
  char *point = strchr(text, '.');
  if (point && point > text && point[1] && point[1 + strspn(point + 1, "0")] == '\0')
    *point = '\0';
  return parse_number(text, 0, INT32_MAX, tokens);
}

static bool read_csv_header(struct reader *reader, char *line, size_t *places) {
  char *columns[MOST_COLUMNS];
  size_t count = split(line, columns);
  for (int field = 0; field < CSV_FIELDS; field++) {
    size_t place = 0;
    while (place < count && strcmp(columns[place], csv_fields[field]) != 0)
      place++;
    if (place == count)
      return input_lines_problem(&reader->lines, "no column %s", csv_fields[field]);
    places[field] = place;
  }
  return true;
}

static bool read_csv_line(struct reader *reader, char *line, const size_t *places) {
  char *columns[MOST_COLUMNS];
  uint64_t values[CSV_FIELDS];
  size_t count = split(line, columns);
  for (int field = 0; field < CSV_FIELDS; field++) {
    if (places[field] >= count)
      return input_lines_problem(&reader->lines, "field %s is missing", csv_fields[field]);
    if (!parse_tokens(columns[places[field]], &values[field]))
      return input_lines_problem(&reader->lines, "field %s is \"%.32s\", not a number of tokens", csv_fields[field],
                                 columns[places[field]]);
    if (!check_tokens(reader, csv_fields[field], (int64_t)values[field], field == CSV_PROMPT))
      return false;
  }
  struct request request = {(uint32_t)values[CSV_PROMPT], (uint32_t)values[CSV_GENERATED]};
  return add(reader->trace, request);
}

/* --------------------------------------------------------------------------------------------- JSON lines */

static bool read_json_field(struct reader *reader, const json_t *row, const char *field, int64_t minimum,
                            uint32_t *tokens) {
  const json_t *value = json_object_get(row, field);
  if (!value)
    return input_lines_problem(&reader->lines, "field %s is missing", field);
  const double number = json_number_value(value);
  if (!json_is_number(value) || number != floor(number) || fabs(number) > INT32_MAX)
    return input_lines_problem(&reader->lines, "field %s is not a number of tokens", field);
  *tokens = (uint32_t)(int64_t)number;
  return check_tokens(reader, field, (int64_t)number, minimum);
}

static bool read_json_line(struct reader *reader, const char *line) {
  json_error_t error;
  struct request request;
  json_t *row = python_json_parse(line, strlen(line), &error);
  if (!row)
    return input_lines_problem(&reader->lines, "column %d: %s", error.column, error.text);
  bool read = read_json_field(reader, row, "input_length", 1, &request.prompt) &&
              read_json_field(reader, row, "output_length", 0, &request.generated) && add(reader->trace, request);
  json_decref(row);
  return read;
}

/* ------------------------------------------------------------------------------------------------ files */

/* The first line decides the format, so that a mistake there may be a file of another kind. */
static void tell_formats(void) {
  problem_set("%s; a trace is a CSV with the columns ContextTokens and GeneratedTokens, or JSON lines, each an object "
              "with input_length and output_length",
              problem_last());
}

struct format {
  bool is_known; /* the first line has been read */
  bool is_json;
  size_t places[CSV_FIELDS];
};

static bool read_line(struct reader *reader, struct format *format, char *line) {
  const bool is_first = !format->is_known;
  format->is_known = true;
  if (is_first)
    format->is_json = line[0] == '{';
  if (format->is_json)
    return read_json_line(reader, line);
  return is_first ? read_csv_header(reader, line, format->places) : read_csv_line(reader, line, format->places);
}

static bool is_blank(const char *line) {
  return line[strspn(line, " \t\r\n")] == '\0';
}

/* After a byte order mark, which only the first line may have. */
static char *text_of(const struct reader *reader, char *line) {
  const size_t mark = strlen(byte_order_mark);
  return reader->lines.number == 1 && strncmp(line, byte_order_mark, mark) == 0 ? line + mark : line;
}

static bool read_lines(struct reader *reader, size_t limit) {
  struct format format = {0};
  bool read = true;
  while (read && reader->trace->count < limit && input_lines_next(&reader->lines)) {
    char *text = text_of(reader, reader->lines.text);
    if (is_blank(text))
      continue;
    const bool is_first = !format.is_known;
    read = read_line(reader, &format, text);
    if (!read && is_first)
      tell_formats();
  }
  return read;
}

bool trace_read(struct trace *trace, const char *path, size_t limit) {
  struct reader reader = {.trace = trace};
  *trace = (struct trace){0};
  bool read = input_lines_open(&reader.lines, path) && read_lines(&reader, limit);
  read = input_lines_close(&reader.lines) && read;
  if (read && trace->count == 0)
    read = input_lines_problem(&reader.lines, "no requests");
  if (!read)
    trace_free(trace);
  return read;
}

/* ------------------------------------------------------------------------------------------ other sources */

bool trace_parse(struct trace *trace, const char *text) {
  *trace = (struct trace){0};
  for (const char *at = text; at;) {
    struct request request;
    int length = 0;
    if (sscanf(at, "%8u:%8u%n", &request.prompt, &request.generated, &length) != 2 || !strchr(",", at[length]) ||
        request.prompt == 0 || request.prompt > MOST_TOKENS || request.generated > MOST_TOKENS) {
      trace_free(trace);
      return problem_set("\"%.32s\" is not PROMPT:GENERATED,... in tokens", at);
    }
    if (!add(trace, request))
      return false;
    at = at[length] == ',' ? at + length + 1 : NULL;
  }
  return true;
}

bool trace_default(struct trace *trace, size_t count) {
  static const struct request mix[] = {{900, 40}, {37, 5}, {512, 16}, {1, 3}, {2000, 200}, {130, 0}};
  bool added = true;
  *trace = (struct trace){0};
  for (size_t i = 0; i < count && added; i++)
    added = add(trace, mix[i % (sizeof mix / sizeof *mix)]);
  return added;
}

uint32_t trace_longest(const struct trace *trace) {
  uint32_t longest = 0;
  for (size_t i = 0; i < trace->count; i++) {
    uint32_t tokens = trace->requests[i].prompt + trace->requests[i].generated;
    longest = tokens > longest ? tokens : longest;
  }
  return longest;
}

void trace_scale(struct trace *trace, uint32_t divisor) {
  for (size_t i = 0; i < trace->count; i++) {
    struct request *request = &trace->requests[i];
    request->prompt = (request->prompt + divisor - 1) / divisor;
    request->generated = (request->generated + divisor - 1) / divisor;
  }
}

size_t trace_limit(struct trace *trace, uint32_t tokens) {
  size_t cut = 0;
  for (size_t i = 0; i < trace->count; i++) {
    struct request *request = &trace->requests[i];
    if (request->prompt + request->generated <= tokens)
      continue;
    cut++;
    request->prompt = tokens > request->generated ? tokens - request->generated : 1;
    request->generated = tokens - request->prompt < request->generated ? tokens - request->prompt : request->generated;
  }
  return cut;
}
