#!/bin/sh
# The form of the source files. usage: text.sh SOURCE_FOLDER
. "$(dirname "$0")/rules.sh"
cd "$1" || exit 1

longest_file=600
longest_header=830 # the public one, which explains everything
widest_line=120

scratch_folder
find CMakeLists.txt .ci include generator templates runtime cache tests tools -type f \
  ! -path 'tests/*data/*' ! -name '*.md' ! -name '*.names' >"$scratch/sources"
some "sources" "$scratch/sources"

sources() {
  cat "$scratch/sources"
}

# named PATTERN: those of them whose path matches.
named() {
  sources | grep -E "$1"
}

scripts() {
  named '\.sh$'
  sources | xargs awk 'FNR == 1 { if (/^#!.*sh$/) print FILENAME; nextfile }'
}

long_files() {
  sources | xargs awk -v most="$longest_file" -v header="$longest_header" '
    FNR == (FILENAME == "include/flashjit.h" ? header : most) + 1 { print FILENAME; nextfile }'
}

wide_lines() {
  sources | xargs awk -v most="$widest_line" 'length > most { print FILENAME ":" FNR ": " length " columns" }'
}

# Go's own formatter indents by tabs.
stray_space() {
  sources | grep -v '\.go$' | xargs grep -nP '[ \t]$|\t'
  named '\.go$' | xargs grep -nP '[ \t]$'
}

# One dialect: structs have no second name, and a pointer is a condition.
named_structs() {
  named '\.[ch]$' | grep -v '^include/' | xargs grep -nE '^typedef (struct|enum)( [a-z_]+)? \{'
}

null_conditions() {
  named '^(cache|generator|runtime|tools)/.*\.[ch]$' |
    xargs grep -nE '^ *(if|while|for) \([a-z_>.-]+ [!=]= NULL|(&&|\|\|) [^=]*[!=]= NULL|[!=]= NULL (&&|\|\||\?)'
}

# A sentence about a failure is the thread's last error, and handed to nobody.
handed_reasons() {
  named '\.[ch]$' | xargs grep -nE '\bwhy_size\b'
}

# Every C file begins with a comment that says what it is for.
no_purpose() {
  named '\.([ch]|def|cuh?)$' | xargs awk 'FNR == 1 { if (!/^\/[*\/]/) print FILENAME; nextfile }'
}

none "files over $longest_file lines" long_files
none "lines over $widest_line columns" wide_lines
none "tabs, or blanks at the end of a line" stray_space
none "typedefs of structs and enums" named_structs
none "conditions that compare with NULL" null_conditions
none "sentences about failures in parameters" handed_reasons
none "files that do not begin with their purpose" no_purpose
for script in $(scripts | sort -u); do
  must "shell syntax" bash -n "$script"
done
verdict
