#!/bin/sh
# The form of the source files. usage: text.sh SOURCE_FOLDER
. "$(dirname "$0")/rules.sh"
cd "$1" || exit 1

longest_file=600
widest_line=120

sources() {
  find CMakeLists.txt .ci include generator templates runtime cache tests tools -type f \
    ! -path 'tests/*data/*' ! -name '*.md' ! -name '*.names'
}

scripts() {
  sources | while read -r file; do
    head -n 1 "$file" | grep -qE '^#!.*\b(ba)?sh$' && echo "$file"
  done
  find tests tools -name '*.sh'
}

long_files() {
  sources | while read -r file; do
    lines=$(wc -l <"$file")
    [ "$lines" -le "$longest_file" ] || echo "$file: $lines lines"
  done
}

wide_lines() {
  sources | while read -r file; do
    awk -v most="$widest_line" 'length > most { print FILENAME ":" NR ": " length " columns" }' "$file"
  done
}

stray_space() {
  sources | while read -r file; do
    grep -nHP '[ \t]$|\t' "$file"
  done
}

# Every C file and script begins with a comment that says what it is for.
no_purpose() {
  sources | grep -E '\.([chS]|def|cuh?)$' | while read -r file; do
    head -n 1 "$file" | grep -qE '^(/\*|//)' || echo "$file"
  done
}

none "files over $longest_file lines" long_files
none "lines over $widest_line columns" wide_lines
none "tabs, or blanks at the end of a line" stray_space
none "files that do not begin with their purpose" no_purpose
for script in $(scripts | sort -u); do
  must "shell syntax" bash -n "$script"
done
verdict
