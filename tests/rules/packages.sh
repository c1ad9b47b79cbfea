#!/bin/sh
# tools/setup.sh knows how to look for each package that it names. usage: packages.sh SOURCE_FOLDER
. "$(dirname "$0")/rules.sh"
scratch_folder

cd "$1" || exit 1
bash -c '. tools/setup.sh
  for package in "${build_packages[@]}" "${test_packages[@]}" "${optional_packages[@]}" python3-pip; do
    (have_package "$package" >/dev/null)
    echo "$package" >&3
  done' 3>"$scratch/packages" 2>"$scratch/complaints"
some packages "$scratch/packages"
[ ! -s "$scratch/complaints" ] || violation "$(cat "$scratch/complaints")"
verdict
